"""Filters beside media, compression, and publishes that come together, over real connections."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.hub import RunningHub
from tests.support.rest import Rest
from tests.support.ws import MSGPACK, Peer

Start = Callable[..., RunningHub]
JSON = "ng-ws.v1.json"
FEED = {"feed": {"subscribe": ["admin", "developer", "viewer"], "broadcast": ["admin"]}}
RATES = {"rate_publish": "10000/10000", "rate_subscribe": "10000/10000"}
HOT = {"data.cpu": {"gte": 80}}
DATA = {"cpu": 90, "cores": list(range(300))}


def put(peer: Peer, payload: bytes, **members: Any) -> int:
    """Publish a payload. -> its offset"""
    answer = peer.ask_media(payload, channel="feed", event="e", **members)
    return int(answer["positions"]["feed"].partition(":")[2])


def load(cpu: int) -> bytes:
    return gzip.compress(json.dumps({**DATA, "cpu": cpu}).encode())


def fill(peer: Peer) -> list[int]:
    """One entry of each kind. -> offsets of those whose `data.cpu` is 80 or more"""
    as_json = {"content_type": "application/json", "content_encoding": "gzip"}
    hot = [put(peer, load(90), **as_json)]
    put(peer, load(10), **as_json)
    hot.append(put(peer, b'{"cpu":80.0}', content_type="application/json"))
    put(peer, b'{"cpu":99}', content_type="text/plain")
    put(peer, load(99), content_type="text/csv", content_encoding="gzip")
    answer = peer.ask(type="publish", channel="feed", event="e", data={**DATA, "cpu": 95})
    return [*hot, int(answer["positions"]["feed"].partition(":")[2])]


@pytest.mark.clause("F10", "B3", "B9", "R8")
@pytest.mark.parametrize("publisher", [JSON, MSGPACK])
def test_what_passes_is_the_same_however_it_is_written(start: Start, publisher: str) -> None:
    hub = start(channels=FEED, **RATES)
    with (
        Peer(hub, "admin", subprotocols=(publisher,)) as source,
        Peer(hub, "viewer") as plain,
        Peer(hub, "viewer", compression="deflate") as deflated,
        Peer(hub, "viewer", subprotocols=(MSGPACK,)) as packed,
        Peer(hub, "viewer", subprotocols=(MSGPACK,), compression="deflate") as both,
        Peer(hub, "viewer", subprotocols=(JSON,)) as decoder,
        Peer(hub, "viewer") as media,
    ):
        decoder.ask(type="connect", client={"name": "t", "version": "1"}, accept=["gzip"])
        readers = (plain, deflated, packed, both, decoder)
        for reader in readers:
            reader.ask(type="subscribe", channel="feed", filter=HOT)
        media.ask(type="subscribe", channel="feed", filter={"data": {"exists": False}})
        hot = fill(source)
        for replay in (False, True):
            for reader in readers:
                if replay:
                    reader.ask(type="subscribe", channel="feed", filter=HOT, **{"from": {"last": 3}})
                events = reader.events("feed", 3)
                assert [event["offset"] for event in events] == hot
                data = events[0]["data"]
                assert (json.loads(gzip.decompress(data)) if reader is decoder else data) == DATA
        others = media.events("feed", 2)
        assert [event["content_type"] for event in others] == ["text/plain", "text/csv"]
        stats = hub.call(lambda running: running.plane.stats())
        assert (stats["filters"], stats["filters_judged"]) == (2, 12)
        # A connection that is relayed goes without (PROTOCOL.md 16).
        assert (stats["deflated"] != 0) == bool(deflated.socket.protocol.extensions)


@pytest.mark.clause("F10", "S5", "M21")
def test_a_snapshot_holds_encoded_json_that_passes(start: Start) -> None:
    board = {"feed": {**FEED["feed"], "delivery": "latest", "retention": {"last_per_key": True}}}
    hub = start(channels=board, **RATES)
    as_json = {"content_type": "application/json", "content_encoding": "gzip"}
    with Peer(hub, "admin", subprotocols=(JSON,)) as source, Peer(hub, "viewer", compression="deflate") as reader:
        for key, cpu in (("a", 90), ("b", 90), ("a", 10), ("c", 95)):
            put(source, load(cpu), key=key, **as_json)
        reader.ask(type="subscribe", channel="feed", filter=HOT)
        events = reader.events("feed", 2)
        assert [(event["key"], event["data"]["cpu"]) for event in events] == [("b", 90), ("c", 95)]


@pytest.mark.clause("F12", "F10")
def test_a_policy_looks_into_what_is_encoded(start: Start) -> None:
    hub = start(channels={"feed": {**FEED["feed"], "policies": {"viewer": {"data.cpu": {"lt": 50}}}}}, **RATES)
    with Peer(hub, "admin", subprotocols=(JSON,)) as source, Peer(hub, "viewer") as reader:
        reader.ask(type="subscribe", channel="feed")
        fill(source)
        assert [event["offset"] for event in reader.events("feed", 1)] == [2]
        with Rest(hub, "viewer") as rest:
            events = rest.get("/api/v1/channels/feed").data["events"]
        assert [event["data"]["cpu"] for event in events] == [10]


@pytest.mark.clause("F1", "F4", "M30")
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_publishes_that_come_together_are_judged_one_by_one(start: Start, compression: str | None) -> None:
    hub = start(channels=FEED, rate_publish="100000/100000", message_rate="100000/100000")
    with Peer(hub, "admin") as source, Peer(hub, "viewer", compression=compression) as reader:
        reader.ask(type="subscribe", channel="feed", filter=HOT)
        values = [number % 100 for number in range(1_000)]
        source.send(*[{"type": "publish", "channel": "feed", "event": "e", "data": {"cpu": value}} for value in values])
        expected = [offset for offset, value in enumerate(values, 1) if value >= 80]
        assert [event["offset"] for event in reader.events("feed", len(expected))] == expected
        stats = hub.call(lambda running: running.plane.stats())
        assert stats["filters_judged"] == len(values)


@pytest.mark.clause("M48", "R9")
@pytest.mark.accept("G13")
def test_the_story_of_a_gap_counts_what_the_filter_would_have_let_through(start: Start) -> None:
    hub = start(channels=FEED, resume_events=2, **RATES)
    with Peer(hub, "admin", subprotocols=(JSON,)) as source, Peer(hub, "viewer", subject="ann") as reader:
        for _ in range(3):
            hot = fill(source)
        position = reader.ask(type="subscribe", channel="feed")["channels"]["feed"]["position"]
        beginning = {"feed": f"{position.partition(':')[0]}:0"}
        reader.ask(type="subscribe", channel="feed", filter=HOT, **{"from": {"positions": beginning}})
        assert reader.next("gap")["missed"] == 7
        assert [event["offset"] for event in reader.events("feed", 2)] == hot[-2:]
        with Rest(hub, "admin") as admin:
            (story,) = admin.get("/api/v1/stories/ann").data["stories"]
    gaps = [record["text"] for record in story["records"] if record["kind"] == "gap"]
    assert len(gaps) == 1
    assert "7 entries missed (limit)" in gaps[0]
