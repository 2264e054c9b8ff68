"""Two hubs as processes that go on alone by choice while Redis hangs: nothing acknowledged is lost unsaid (N11)."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.support.process import HubProcess
from tests.support.redis import RedisServer, needs_redis
from tests.support.ws import Peer

pytestmark = [needs_redis, pytest.mark.timeout(180)]

SECRET = "a secret of this test that is long enough"
CONFIG = '[channels."room:*"]\nsubscribe = ["developer"]\nbroadcast = ["admin"]\n'
ROOM = "room:a"


class Node:
    """One hub, as `Peer` wants it."""

    def __init__(self, folder: Path, redis: RedisServer, name: str) -> None:
        home = folder / name
        home.mkdir()
        (home / "hub.toml").write_text(CONFIG, encoding="utf-8")
        self.process = HubProcess(
            home,
            "--port",
            "0",
            NG_NODE=name,
            NG_REDIS_URL=redis.url,
            NG_CONFIG="hub.toml",
            NG_JWT_SECRET=SECRET,
            NG_REDIS_ABSENT="local",
            NG_OUTBOX_WAIT="1",
            NG_REDIS_COMMAND="0.5",
        )
        self.url = f"ws://127.0.0.1:{self.process.port}/ws"

    def token(self, role: str, subject: str | None = None) -> str:
        now = time.time()
        claims = {"sub": subject or role, "role": role, "iat": now - 1, "exp": now + 600}
        return jwt.encode(claims, SECRET, algorithm="HS256")

    def peer(self, role: str = "developer") -> Peer:
        hub: Any = self
        return Peer(hub, role)

    def is_local(self) -> bool:
        with self.peer() as peer:
            return bool(peer.welcome.get("local", False))

    def is_ready(self) -> bool:
        return httpx.get(f"{self.process.http_url}/health/ready").status_code == 200


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Poll another process, which tells nobody that it has got there."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def nodes(redis: RedisServer, tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    with ExitStack() as stack:
        started = Node(tmp_path, redis, "n1"), Node(tmp_path, redis, "n2")
        for node in started:
            stack.enter_context(node.process)
        for node in started:
            wait_for(node.is_ready)
        yield started


def publish(peer: Peer, data: Any) -> str:
    position: str = peer.ask(type="publish", channel=ROOM, event="e", data=data)["positions"][ROOM]
    return position


@pytest.mark.clause("P1", "P10", "N4", "N11", "I1", "I6")
def test_what_one_node_took_alone_is_named_by_a_gap_for_who_stayed_and_for_who_left(
    redis: RedisServer, nodes: tuple[Node, Node]
) -> None:
    one, two = nodes
    with one.peer("admin") as publisher, one.peer() as stayed, two.peer() as other:
        for peer in (stayed, other):
            peer.ask(type="subscribe", channel=ROOM)
        shared = publish(publisher, "shared")
        with one.peer() as left:
            left.ask(type="subscribe", channel=ROOM, **{"from": {"last": 10}})
            left.next("event", channel=ROOM)
            token = left.ask(type="get_reconnection_token")["token"]
        redis.pause()
        try:
            wait_for(lambda: one.is_local() and two.is_local())
            own = publish(publisher, "alone")
        finally:
            redis.resume()
        wait_for(lambda: not (one.is_local() or two.is_local()) and one.is_ready() and two.is_ready())
        after = publish(publisher, "after")
        epochs = [place.split(":")[0] for place in (shared, own, after)]
        assert len(set(epochs)) == 3
        stories = ((stayed, ["shared", "alone", "after"], epochs[1:]), (other, ["shared", "after"], epochs[2:]))
        for peer, expected, crossed in stories:
            while peer.next("event", channel=ROOM)["data"] != "after":
                pass
            told = [message for message in peer.received if message.get("channel") == ROOM]
            assert [message["data"] for message in told if message["type"] == "event"] == expected
            gaps = [message["to"].split(":")[0] for message in told if message["type"] == "gap"]
            assert gaps[-len(crossed) :] == crossed
        for node in nodes:
            with node.peer() as back:
                back.ask(type="subscribe", channel=ROOM, **{"from": {"positions": {ROOM: shared}}})
                assert back.next("gap", channel=ROOM)["from"] == shared
                assert back.next("event", channel=ROOM)["data"] == "after"
        with two.peer() as back:
            back.ask(type="connect", resume=token)
            assert back.next("gap", channel=ROOM)["reason"] == "epoch"
            assert back.next("event", channel=ROOM)["data"] == "after"
