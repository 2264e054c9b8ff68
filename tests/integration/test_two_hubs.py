"""Two hubs as processes over one Redis: who has a session, what is decided of it, and who is present (N15, N16)."""

import signal
import time
from collections.abc import Iterator
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
CONFIG = """
[channels."room:*"]
subscribe = ["developer", "viewer"]
presence = true
"""
SOON = 1.0
"""Seconds within which a decision holds on every node (id5)."""
GONE_SECONDS = 40.0


class Node:
    """One hub, as `Peer` wants it."""

    def __init__(self, folder: Path, redis: RedisServer, name: str) -> None:
        home = folder / f"{name}-{time.monotonic_ns()}"
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
            NG_DRAIN_ANNOUNCE="0",
            NG_DRAIN_WINDOW="0.1",
            NG_DRAIN_DEADLINE="1",
        )
        self.url = f"ws://127.0.0.1:{self.process.port}/ws"
        headers = {"Authorization": f"Bearer {self.token('admin', 'root')}"}
        self.http = httpx.Client(base_url=self.process.http_url, headers=headers, timeout=10)

    def token(self, role: str, subject: str | None = None) -> str:
        now = time.time()
        claims = {"sub": subject or role, "role": role, "iat": now - 1, "exp": now + 600, "jti": f"t-{subject or role}"}
        return jwt.encode(claims, SECRET, algorithm="HS256")

    def ready(self) -> "Node":
        wait_for(lambda: self.http.get("/health/ready").status_code == 200)
        return self

    def peer(self, subject: str, role: str = "developer") -> Any:
        hub: Any = self
        return Peer(hub, role, subject=subject)

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *error: Any) -> None:
        self.http.close()
        self.process.__exit__(None, None, None)


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    """Poll another process, which tells nobody that it has got there."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def nodes(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    folder = tmp_path_factory.mktemp("hubs")
    with Node(folder, redis, "n1") as one, Node(folder, redis, "n2") as two:
        for node in (one, two):
            node.ready()
        yield one, two


def closed_soon(peer: Peer, since: float) -> tuple[int, str]:
    """How the hub closes, and that it does so within a second."""
    close = peer.closed()
    assert time.monotonic() - since < SOON
    return close


def present(watcher: Peer, channel: str, seconds: float) -> list[tuple[str, str]]:
    """(event, subject) of everything that the companion of `channel` brings within so many seconds."""
    found: list[tuple[str, str]] = []
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            message = watcher.receive(timeout=left)
        except TimeoutError:
            break
        if message["type"] == "event" and message["channel"] == f"{channel}/presence":
            found.append((message["event"], message["key"]))
    return found


def watch(node: Node, channel: str) -> Peer:
    watcher: Peer = node.peer("watcher", "viewer")
    watcher.ask(type="subscribe", channel=f"{channel}/presence", **{"from": "snapshot"})
    return watcher


def joined(watcher: Peer, channel: str, subject: str) -> None:
    watcher.next("event", channel=f"{channel}/presence", event="join", key=subject)


@pytest.mark.clause("R11", "N15")
def test_pm7_a_session_that_resumes_at_the_other_hub_is_taken_from_the_first(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    with one.peer("ann") as first, two.peer("ann") as second:
        token = first.ask(type="get_reconnection_token")["token"]
        since = time.monotonic()
        second.ask(type="connect", resume=token)
        assert closed_soon(first, since)[0] == 4009
        assert second.ask(type="ping")["type"] == "pong"


@pytest.mark.clause("C17", "N15")
def test_id5_kick_role_and_revocation_hold_at_the_other_hub_within_a_second(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    with two.peer("bob") as bob, two.peer("cy") as cy, two.peer("dee") as dee, two.peer("eve") as eve:
        since = time.monotonic()
        answer = one.http.patch(f"/api/v1/clients/{bob.welcome['conn']}", json={"role": "viewer"})
        assert answer.json()["data"]["node"] == "n2"
        assert bob.next("welcome")["role"] == "viewer"
        assert time.monotonic() - since < SOON
        since = time.monotonic()
        assert one.http.delete(f"/api/v1/clients/{cy.welcome['conn']}").json()["data"]["kicked"] is True
        assert closed_soon(cy, since)[0] == 4010
        since = time.monotonic()
        assert one.http.post("/api/v1/auth/revoke", json={"subject": "dee"}).status_code == 200
        assert closed_soon(dee, since)[0] == 4103
        assert eve.ask(type="ping")["type"] == "pong"


@pytest.mark.clause("C25", "R11")
def test_who_resumes_at_the_other_hub_never_leaves_a_room(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    with ExitStack() as stack:
        watchers = [stack.enter_context(watch(node, "room:1")) for node in nodes]
        first = stack.enter_context(one.peer("fay"))
        first.ask(type="subscribe", channel="room:1")
        for watcher in watchers:
            joined(watcher, "room:1", "fay")
        token = first.ask(type="get_reconnection_token")["token"]
        second = stack.enter_context(two.peer("fay"))
        second.ask(type="connect", resume=token)
        # Longer than the ten seconds after which the first hub says that nobody of it is there.
        news = present(watchers[0], "room:1", 12.0) + present(watchers[1], "room:1", 0.5)
        assert news == []


@pytest.mark.clause("C25", "N16")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped in order", "killed"])
def test_rc8_who_was_on_a_hub_that_is_gone_has_left_once_and_who_came_back_elsewhere_has_not(
    redis: RedisServer, nodes: tuple[Node, Node], tmp_path: Path, number: signal.Signals
) -> None:
    one, _ = nodes
    channel = f"room:{number}"
    with Node(tmp_path, redis, "n3").ready() as three, watch(one, channel) as watcher, ExitStack() as stack:
        for subject in ("gus", "hal"):
            stack.enter_context(three.peer(subject)).ask(type="subscribe", channel=channel)
            joined(watcher, channel, subject)
        since = time.monotonic()
        three.process.end(number)
        with one.peer("hal") as hal:
            hal.ask(type="subscribe", channel=channel)
            news: list[tuple[str, str]] = []
            while not news and time.monotonic() - since < GONE_SECONDS:
                news = present(watcher, channel, 1.0)
            assert news + present(watcher, channel, 3.0) == [("leave", "gus")]
        wait_for(lambda: one.http.get("/api/v1/clients").json()["data"]["nodes"].get("n3", 0) == 0, GONE_SECONDS)


def test_a_second_hub_of_one_name_is_not_ready_and_says_nothing_of_the_clients_of_the_first(
    redis: RedisServer, nodes: tuple[Node, Node], tmp_path: Path
) -> None:
    one, two = nodes
    with two.peer("ivy") as ivy, watch(one, "room:9") as watcher:
        ivy.ask(type="subscribe", channel="room:9")
        joined(watcher, "room:9", "ivy")
        wait_for(lambda: clients(one, "n2") >= 1)
        with Node(tmp_path, redis, "n2") as namesake:
            wait_for(lambda: "another process is named n2" in detail(namesake))
            before = clients(one, "n2")
            assert namesake.http.get("/health/ready").status_code == 503
            assert present(watcher, "room:9", 3.0) == []
            assert (clients(one, "n2"), two.http.get("/health/ready").status_code) == (before, 200)
            assert ivy.ask(type="ping")["type"] == "pong"


def clients(node: Node, name: str) -> int:
    found: int = node.http.get("/api/v1/clients").json()["data"]["nodes"].get(name, 0)
    return found


def detail(node: Node) -> str:
    found: str = node.http.get("/api/v1/status").json()["data"]["components"]["backplane"].get("detail", "")
    return found
