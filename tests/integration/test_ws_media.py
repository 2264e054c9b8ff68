"""Media and encoded payloads over real connections: in by one subprotocol, out by every other (B4-B9)."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.hub import RunningHub
from tests.support.media import media_frame
from tests.support.ws import MSGPACK, Peer

Start = Callable[..., RunningHub]
JSON = "ng-ws.v1.json"
PAYLOAD = bytes(range(256)) * 300
META = {"format": "jpeg", "width": 1920, "height": 1080}
MEDIA: dict[str, Any] = {"channel": "actions", "event": "camera.frame", "content_type": "image/jpeg", "meta": META}


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zlib": zlib.compress, "deflate": raw_deflate}


def peer(hub: RunningHub, subprotocol: str | None = JSON, role: str = "admin") -> Peer:
    return Peer(hub, role, subprotocols=(subprotocol,) if subprotocol else ())


def offset(position: str) -> int:
    return int(position.partition(":")[2])


@pytest.mark.clause("B4", "B5", "M44", "M30")
@pytest.mark.accept("A15", "F3")
@pytest.mark.parametrize("publisher", [None, JSON, MSGPACK])
def test_a_payload_reaches_every_subprotocol_byte_for_byte(ws_hub: RunningHub, publisher: str | None) -> None:
    with (
        peer(ws_hub, publisher) as source,
        peer(ws_hub, None) as plain,
        peer(ws_hub) as text,
        peer(ws_hub, MSGPACK) as packed,
    ):
        readers = (plain, text, packed)
        for reader in readers:
            reader.ask(type="subscribe", channel="actions")
        stored = source.ask_media(PAYLOAD, key="cam-1", tags={"site": "north"}, **MEDIA)
        empty = source.ask_media(b"", channel="actions", event="silence", content_type="audio/opus")
        for reader in readers:
            event, nothing = reader.events("actions", 2)
            assert event["data"] == PAYLOAD
            assert {name: event[name] for name in MEDIA} == MEDIA
            assert (event["key"], event["tags"], "content_encoding" in event) == ("cam-1", {"site": "north"}, False)
            assert event["offset"] == offset(stored["positions"]["actions"])
            assert (nothing["data"], nothing["offset"]) == (b"", offset(empty["positions"]["actions"]))


@pytest.mark.clause("B6")
def test_octets_are_what_nothing_was_said_of(ws_hub: RunningHub) -> None:
    with peer(ws_hub) as admin:
        admin.ask(type="subscribe", channel="actions")
        admin.ask_media(b"\x00", channel="actions", event="x")
        (event,) = admin.events("actions", 1)
    assert (event["content_type"], event["data"], "meta" in event) == ("application/octet-stream", b"\x00", False)


@pytest.mark.clause("B9")
@pytest.mark.parametrize("publisher", [JSON, MSGPACK])
def test_json_that_is_not_encoded_is_data_for_everybody(ws_hub: RunningHub, publisher: str) -> None:
    text = b'{"a": 18446744073709551615, "a": [1e2]}'
    with peer(ws_hub, publisher) as source, peer(ws_hub) as reader, peer(ws_hub, MSGPACK) as packed:
        for one in (reader, packed):
            one.ask(type="subscribe", channel="actions")
        source.ask_media(text, channel="actions", event="x", content_type="application/json")
        for one in (reader, packed):
            (event,) = one.events("actions", 1)
            assert (event["data"], event["content_type"]) == ({"a": [100.0]}, "application/json")
        refused = source.ask_media(b'{"a":NaN}', channel="actions", event="x", content_type="application/json")
    assert (refused["code"], refused["error"], refused["path"]) == (422, "content_invalid", "data")


@pytest.mark.clause("B7", "B8", "B9", "M21")
@pytest.mark.parametrize("encoding", list(ENCODERS))
def test_who_accepts_an_encoding_gets_the_bytes_and_the_others_the_content(ws_hub: RunningHub, encoding: str) -> None:
    batch = {"lines": [f"line {number}" for number in range(50)]}
    document, table = json.dumps(batch).encode(), b"a,b\n1,2\n" * 40
    packed, sheet = ENCODERS[encoding](document), ENCODERS[encoding](table)
    with peer(ws_hub) as source, peer(ws_hub) as plain, peer(ws_hub, MSGPACK) as binary, peer(ws_hub) as able:
        assert source.welcome["encodings"] == ["gzip", "zlib", "deflate"]
        able.ask(type="connect", accept=[encoding, "br"])
        for one in (plain, binary, able):
            one.ask(type="subscribe", channel="actions")
        for content_type, data in (("application/json", packed), ("text/csv", sheet)):
            answer = source.ask_media(
                data, channel="actions", event="x", content_type=content_type, content_encoding=encoding
            )
            assert answer["type"] == "ack"
        for one in (plain, binary):
            first, second = one.events("actions", 2)
            assert (first["data"], second["data"]) == (batch, table)
            assert "content_encoding" not in first.keys() | second.keys()
        first, second = able.events("actions", 2)
        assert (first["data"], first["content_encoding"], first["content_type"]) == (
            packed,
            encoding,
            "application/json",
        )
        assert (second["data"], second["content_encoding"]) == (sheet, encoding)
        # What is accepted is said again while it follows.
        able.ask(type="connect", accept=[])
        source.ask_media(
            packed, channel="actions", event="x", content_type="application/json", content_encoding=encoding
        )
        (third,) = able.events("actions", 1)
        assert (third["data"], third["offset"]) == (batch, second["offset"] + 1)


@pytest.mark.clause("B7", "B8", "L9", "E6")
def test_payloads_that_cannot_be_taken_are_refused_and_not_stored(ws_hub: RunningHub) -> None:
    zeros = gzip.compress(b"\0" * 200_000)
    much = gzip.compress(b"".join(b"%09d the same words again and again and again\n" % n for n in range(180_000)))
    assert len(much) < 1_000_000
    cases: list[tuple[bytes, dict[str, Any], tuple[int, str], dict[str, Any]]] = [
        (b"x", {"content_encoding": "br"}, (415, "encoding_unsupported"), {"path": "content_encoding"}),
        (b"x", {"content_encoding": "gzip"}, (422, "content_invalid"), {"path": "data"}),
        (zlib.compress(b"text")[:-2], {"content_encoding": "zlib"}, (422, "content_invalid"), {}),
        (zlib.compress(b"text") + b"x", {"content_encoding": "zlib"}, (422, "content_invalid"), {}),
        (
            gzip.compress(b"{"),
            {"content_encoding": "gzip", "content_type": "application/json"},
            (422, "content_invalid"),
            {},
        ),
        (zeros, {"content_encoding": "gzip"}, (413, "too_large"), {"limit": 100}),
        (much, {"content_encoding": "gzip"}, (413, "too_large"), {"limit": 8_388_608}),
    ]
    with peer(ws_hub) as admin:
        before = admin.ask(type="subscribe", channel="actions")["channels"]["actions"]["position"]
        for payload, members, expected, more in cases:
            answer = admin.ask_media(payload, channel="actions", event="x", **members)
            assert (answer["code"], answer["error"]) == expected
            assert more.items() <= answer.items()
            assert answer["channel"] == "actions"
        stored = admin.ask_media(gzip.compress(b"{}"), channel="actions", event="x", content_encoding="gzip")
    assert offset(stored["positions"]["actions"]) == offset(before) + 1


@pytest.mark.clause("L9")
def test_the_limits_of_decoded_payloads_are_settings(start: Start) -> None:
    hub = start(max_decoded=10_000, max_ratio=1_000)
    with peer(hub) as admin:
        assert admin.welcome["limits"]["decoded"] == 10_000
        for size, expected in ((10_000, None), (10_001, 10_000)):
            answer = admin.ask_media(gzip.compress(b"\0" * size), channel="actions", event="x", content_encoding="gzip")
            assert answer.get("limit") == expected


@pytest.mark.clause("C14", "H4", "B8")
def test_what_takes_a_thread_keeps_its_place_and_holds_up_nobody_else(ws_hub: RunningHub) -> None:
    """Two large payloads between small publishes of one connection: offsets in the order sent, answers too."""
    content = json.dumps([f"entry {number} of many" for number in range(100_000)]).encode()
    large = gzip.compress(content, compresslevel=1)
    assert len(large) < 1_000_000 < len(content)
    with peer(ws_hub) as source, peer(ws_hub) as reader:
        reader.ask(type="connect", accept=["gzip"])
        reader.ask(type="subscribe", channel="actions")
        head = {"type": "publish", "channel": "actions", "content_type": "application/json", "content_encoding": "gzip"}
        source.send(
            {"type": "publish", "id": 1, "channel": "actions", "event": "e1"},
            media_frame({**head, "id": 2, "event": "e2"}, large),
            {"type": "publish", "id": 3, "channel": "actions", "event": "e3"},
            media_frame({**head, "id": 4, "event": "e4"}, large[:-9]),
            media_frame({**head, "id": 5, "event": "e5"}, large),
            {"type": "subscribe", "id": 6, "channel": "logs"},
            {"type": "ping", "id": 7},
        )
        answers: dict[Any, Any] = {}
        while len(answers) < 7:
            answer = source.receive()
            answers[answer.get("id")] = answer
        events = reader.events("actions", 4)
    assert [event["event"] for event in events] == ["e1", "e2", "e3", "e5"]
    assert [event["offset"] - events[0]["offset"] for event in events] == [0, 1, 2, 3]
    assert events[1]["data"] == large
    assert (answers[4]["code"], answers[4]["error"]) == (422, "content_invalid")
    kinds = [answers[number]["type"] for number in (1, 2, 3, 5, 6, 7)]
    assert kinds == ["ack", "ack", "ack", "ack", "subscribed", "pong"]


@pytest.mark.clause("M31")
def test_a_repeat_is_the_same_payload_and_what_is_said_of_it(ws_hub: RunningHub) -> None:
    with peer(ws_hub) as admin, peer(ws_hub, MSGPACK) as other:
        first = admin.ask_media(b"img", mid="m-1", **MEDIA)
        again = other.ask_media(b"img", mid="m-1", **MEDIA)
        assert (again["positions"], again["duplicate"]) == (first["positions"], True)
        for payload, members in ((b"imG", {}), (b"img", {"content_type": "image/png"}), (b"img", {"meta": {}})):
            conflict = admin.ask_media(payload, mid="m-1", **{**MEDIA, **members})
            assert conflict["error"] == "mid_conflict"
        plain = admin.ask(type="publish", channel="actions", event="camera.frame", mid="m-1", data="img")
        assert plain["error"] == "mid_conflict"


@pytest.mark.clause("R8", "R5", "M25", "P3")
@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
def test_media_is_replayed_after_a_reconnect(ws_hub: RunningHub, subprotocol: str) -> None:
    with peer(ws_hub) as source:
        with peer(ws_hub, subprotocol) as reader:
            reader.ask(type="connect", accept=["zlib"])
            reader.ask(type="subscribe", channel="actions")
            source.ask_media(b"one", **MEDIA)
            (seen,) = reader.events("actions", 1)
            token = reader.ask(type="get_reconnection_token")["token"]
            epoch = reader.ask(type="subscribe", channel="actions")["channels"]["actions"]["position"].partition(":")[0]
        source.ask_media(b"two", **MEDIA)
        source.ask(type="publish", channel="actions", event="plain", data=3)
        source.ask_media(
            zlib.compress(b"[4]"), **{**MEDIA, "content_type": "application/json", "content_encoding": "zlib"}
        )
        with peer(ws_hub, subprotocol) as back:
            place = {"actions": f"{epoch}:{seen['offset']}"}
            back.send({"type": "connect", "id": 1, "resume": token, "positions": place, "accept": ["zlib"]})
            events = back.events("actions", 3)
        with peer(ws_hub, subprotocol) as late:
            late.ask(type="subscribe", channel="actions", **{"from": {"last": 4}})
            all_of_it = late.events("actions", 4)
    assert [event["data"] for event in events] == [b"two", 3, zlib.compress(b"[4]")]
    assert [event["data"] for event in all_of_it] == [b"one", b"two", 3, [4]]
    assert [event["offset"] - seen["offset"] for event in events] == [1, 2, 3]


@pytest.mark.clause("S5", "S6")
def test_a_snapshot_holds_the_newest_payload_of_each_key(ws_hub: RunningHub) -> None:
    with peer(ws_hub) as source:
        for key, payload in (("a", b"old"), ("b", b"gone"), ("a", b"new")):
            source.ask_media(payload, channel="status", event="shot", content_type="image/png", key=key)
        source.ask_media(
            gzip.compress(b"null"),
            channel="status",
            event="shot",
            content_type="application/json",
            content_encoding="gzip",
            key="b",
        )
        with peer(ws_hub, MSGPACK) as reader:
            reader.ask(type="subscribe", channel="status")
            shots: list[Any] = []
            source.ask_media(b"end", channel="status", event="shot", content_type="image/png", key="z")
            while not shots or shots[-1]["key"] != "z":
                shots.append(reader.next("event", event="shot"))
    assert [(shot["key"], shot["data"]) for shot in shots] == [("a", b"new"), ("z", b"end")]


@pytest.mark.clause("M44")
def test_the_past_over_http_shows_what_is_json_of_it(ws_hub: RunningHub) -> None:
    with peer(ws_hub) as source:
        source.ask_media(b"\xff\xd8", **MEDIA)
        source.ask_media(
            gzip.compress(b'{"a":1}'), **{**MEDIA, "content_type": "application/json", "content_encoding": "gzip"}
        )
    url = f"{ws_hub.http_url}/api/v1/channels/actions"
    answer = httpx.get(url, headers=ws_hub.headers("admin"))
    entries = [entry for entry in answer.json()["data"]["events"] if entry["event"] == "camera.frame"]
    assert [("data" in entry, entry.get("data"), entry["content_type"]) for entry in entries] == [
        (False, None, "image/jpeg"),
        (True, {"a": 1}, "application/json"),
    ]


@pytest.mark.clause("B4")
def test_payloads_are_counted_by_encoding(ws_hub: RunningHub) -> None:
    with peer(ws_hub) as source:
        source.ask_media(b"img", **MEDIA)
        source.ask_media(gzip.compress(b"{}"), channel="actions", event="x", content_encoding="gzip")
        source.ask_media(b"no", channel="actions", event="x", content_encoding="gzip")
    text = httpx.get(f"{ws_hub.http_url}/metrics", headers=ws_hub.headers("admin")).text
    for line in (
        'neurograph_ws_payloads_total{encoding="none",result="ok"} 1.0',
        'neurograph_ws_payloads_total{encoding="gzip",result="ok"} 1.0',
        'neurograph_ws_payloads_total{encoding="gzip",result="content_invalid"} 1.0',
    ):
        assert line in text
