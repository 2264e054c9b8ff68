"""Media that pass a store: over Redis to another node, and from the disk of a node that was away (B5, B8)."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub import RunningHub
from tests.support.redis import RedisServer
from tests.support.redis_kit import needs_redis
from tests.support.ws import MSGPACK, Peer

JSON = "ng-ws.v1.json"
KEYS = ("b3f0cA91d7e24c58XqLmZt6RwYvKs0Pj-of-all-nodes",)
JPEG = b"\xff\xd8" + bytes(range(256)) * 500
DOCUMENT = gzip.compress(b'{"a":18446744073709551615}')
SHOT: dict[str, Any] = {
    "channel": "actions",
    "event": "camera.frame",
    "content_type": "image/jpeg",
    "meta": {"format": "jpeg", "width": 1920, "height": 1080},
}
BATCH: dict[str, Any] = {
    "channel": "actions",
    "event": "batch",
    "content_type": "application/json",
    "content_encoding": "gzip",
}


def peer(hub: RunningHub, subprotocol: str = JSON) -> Peer:
    return Peer(hub, "admin", subprotocols=(subprotocol,))


def publish(source: Peer) -> None:
    assert source.ask_media(JPEG, key="cam-1", **SHOT)["type"] == "ack"
    assert source.ask_media(DOCUMENT, **BATCH)["type"] == "ack"
    assert source.ask_media(b"", channel="actions", event="silence", content_type="audio/opus")["type"] == "ack"


def check(events: list[dict[str, Any]], *, is_opened: bool = True) -> None:
    shot, batch, silence = events
    assert (shot["data"], shot["key"], {name: shot[name] for name in SHOT}) == (JPEG, "cam-1", SHOT)
    if is_opened:
        assert (batch["data"], "content_encoding" in batch) == ({"a": 2**64 - 1}, False)
    else:
        assert (batch["data"], batch["content_encoding"]) == (DOCUMENT, "gzip")
    assert (silence["data"], silence["content_type"]) == (b"", "audio/opus")


@pytest.fixture
def nodes() -> Iterator[tuple[RunningHub, RunningHub]]:
    with RedisServer() as redis:
        options: dict[str, Any] = {"redis_url": redis.url, "token_keys": KEYS}
        with RunningHub(node="a", **options) as one, RunningHub(node="b", **options) as other:
            yield one, other


@needs_redis
@pytest.mark.clause("B5", "N3", "N7", "N13")
@pytest.mark.timeout(120)
def test_media_reach_the_subscribers_of_another_node_byte_for_byte(nodes: tuple[RunningHub, RunningHub]) -> None:
    one, other = nodes
    with peer(one) as source, peer(other) as text, peer(other, MSGPACK) as packed:
        packed.ask(type="connect", accept=["gzip"])
        for reader in (text, packed):
            reader.ask(type="subscribe", channel="actions")
        publish(source)
        check(text.events("actions", 3))
        check(packed.events("actions", 3), is_opened=False)
        # A repeat under a mid is known on the other node too (M31).
        first = source.ask_media(JPEG, mid="m-1", **SHOT)
        again = text.ask_media(JPEG, mid="m-1", **SHOT)
        assert (again["positions"], again["duplicate"]) == (first["positions"], True)
        assert text.ask_media(JPEG[1:], mid="m-1", **SHOT)["error"] == "mid_conflict"


@needs_redis
@pytest.mark.clause("N13", "S5", "S6")
@pytest.mark.timeout(120)
def test_a_node_that_comes_later_has_them_from_the_store() -> None:
    with RedisServer() as redis:
        options: dict[str, Any] = {"redis_url": redis.url, "token_keys": KEYS}
        with RunningHub(node="a", **options) as one, peer(one) as source:
            publish(source)
            for key, payload in (("a", b"old"), ("b", b"gone"), ("a", b"new")):
                source.ask_media(payload, channel="status", event="shot", content_type="image/png", key=key)
            null = {"content_type": "application/json", "content_encoding": "gzip"}
            source.ask_media(gzip.compress(b"null"), channel="status", event="shot", key="b", **null)
            with RunningHub(node="b", **options) as other, peer(other) as late:
                # What the administrator did elsewhere stands among them.
                late.ask(type="subscribe", channel="actions", **{"from": {"last": 50}})
                check([late.next("event", event=name) for name in ("camera.frame", "batch", "silence")])
                late.ask(type="subscribe", channel="status")
                source.ask_media(b"end", channel="status", event="shot", content_type="image/png", key="z")
                shots = [late.next("event", event="shot") for _ in range(2)]
    assert [(shot["key"], shot["data"]) for shot in shots] == [("a", b"new"), ("z", b"end")]


@pytest.mark.clause("P1", "B8")
def test_media_are_there_again_after_a_restart_of_a_durable_node(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "data_dir": tmp_path,
        "channels": {"actions": {"retention": {"durable": True}}},
    }
    with RunningHub(**options) as hub, peer(hub) as source:
        publish(source)
        first = source.ask_media(JPEG, mid="m-1", **SHOT)
    with RunningHub(**options) as hub, peer(hub) as reader, peer(hub, MSGPACK) as packed:
        packed.ask(type="connect", accept=["gzip"])
        for one in (reader, packed):
            one.ask(type="subscribe", channel="actions", **{"from": {"last": 4}})
        check(reader.events("actions", 4)[:3])
        check(packed.events("actions", 4)[:3], is_opened=False)
        again = reader.ask_media(JPEG, mid="m-1", **SHOT)
        assert (again["positions"], again["duplicate"]) == (first["positions"], True)
