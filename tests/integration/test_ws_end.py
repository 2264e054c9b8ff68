"""How connections end, and what is left of them: nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.support.hub import RunningHub
from tests.support.ws import Peer, refused

Start = Callable[..., RunningHub]
ROOT = Path(__file__).resolve().parents[2]


def settled(hub: RunningHub, connections: int = 0) -> tuple[int, ...]:
    """Connections, followers and open descriptors, once so many connections are left."""
    while len(hub.call(lambda inside: inside.connections.snapshot())) > connections:
        hub.call(lambda inside: inside.plane.flush())
    counts = hub.call(
        lambda inside: (len(inside.connections), inside.broker.statistics()["followers"], inside.admission.open)
    )
    return counts


@pytest.mark.clause("X1", "X6", "C11")
@pytest.mark.accept("A8")
def test_a_hub_that_ends_closes_everybody_with_4301(start: Start) -> None:
    hub = start()
    with Peer(hub) as one, Peer(hub, "admin") as other:
        other.ask(type="subscribe", channels=["*"])
        hub.stop()
        assert (one.closed(), other.closed()) == ((4301, "draining"), (4301, "draining"))


@pytest.mark.clause("C11", "L1")
def test_a_draining_hub_answers_503(ws_hub: RunningHub) -> None:
    ws_hub.await_(ws_hub.hub.connections.close_all())
    status, headers = refused(ws_hub)
    assert (status, headers["retry-after"]) == (503, "5")


@pytest.mark.clause("X6", "X2")
def test_what_was_answered_before_a_close_arrives_before_it(ws_hub: RunningHub) -> None:
    with Peer(ws_hub) as peer:
        peer.send(*[{"type": "ping", "id": number} for number in range(50)], *["{}"] * 10)
        assert peer.closed()[0] == 4000
        assert [message["id"] for message in peer.received if message["type"] == "pong"] == list(range(50))


@pytest.mark.clause("C22")
@pytest.mark.accept("E9")
def test_connections_that_end_in_any_way_leave_nothing_behind(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as watcher:
        watcher.ask(type="subscribe", channel="connections")
        before = settled(ws_hub, 1)
        peers = [Peer(ws_hub, "viewer", subject=f"s{number}") for number in range(30)]
        for number, peer in enumerate(peers):
            peer.ask(type="subscribe", channels=["metrics", "status"])
            if number % 3 == 0:
                peer.socket.close()
            elif number % 3 == 1:
                peer.socket.socket.shutdown(socket.SHUT_RDWR)
            else:
                peer.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                peer.socket.socket.close()
        left = {watcher.next("event", event="leave")["key"] for _ in peers}
        assert left == {peer.welcome["conn"] for peer in peers}
        assert settled(ws_hub, 1) == before


@pytest.mark.clause("H1", "H3", "L16")
@pytest.mark.accept("A7", "A12")
def test_a_peer_without_a_sign_of_life_is_closed_with_4208(start: Start) -> None:
    hub = start(heartbeat_interval=0.5, heartbeat_timeout=0.5)
    request = (
        f"GET /ws HTTP/1.1\r\nHost: {hub.authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as silent:
        silent.sendall(request.encode())
        received = b""
        while chunk := silent.recv(65_536):
            received += chunk
    assert b"\x89" in received  # a PING was sent first
    assert b"\x10\x70timeout" in received  # 4208


@pytest.mark.clause("S8", "S1")
def test_a_subscriber_that_never_reads_is_closed_with_4213_and_nobody_else_notices(start: Start) -> None:
    hub = start(write_stall=1.0, rate_publish="100000/100000", byte_rate="1000000000/1000000000")
    with Peer(hub, "admin") as publisher, Peer(hub, "developer") as reader, Peer(hub, "developer") as stuck:
        publisher.ask(type="subscribe", channel="connections", **{"from": "new"})
        for peer in (reader, stuck):
            peer.ask(type="subscribe", channel="actions", on_slow="gap")
        for number in range(200):
            publisher.send({"type": "publish", "channel": "actions", "event": "x", "data": [number, "x" * 100_000]})
            assert reader.events("actions", 1)[0]["data"][0] == number
        left = publisher.next("event", channel="connections", event="leave")
        assert (left["key"], left["data"]["code"]) == (stuck.welcome["conn"], 4213)
        stuck.socket.close_socket()  # no closing handshake: what the library has buffered is in its way


@pytest.mark.clause("C15", "C13")
def test_alarms_of_connections_that_have_gone_ring_for_nobody(start: Start) -> None:
    hub = start(anonymous=False, login_timeout=0.3)
    with Peer(hub, reads=False) as peer:
        peer.socket.close()
    settled(hub)
    with Peer(hub, reads=False) as late:
        assert late.closed()[0] == 4101
    assert [record for record in hub.records if record["level"] == "error"] == []


SERVE = """
import sys
from hub.app import create_app
from hub.config import Settings
from hub.listener import listen, port_of
from hub.server import HubServer, run

going = {"drain_window": 0.1, "drain_deadline": 0.2}
settings = Settings(port=0, dev_file=None, handover=sys.argv[1] == "handover", **going)
listener = listen(settings.host, 0, may_step=False)
run(HubServer(create_app(settings), settings, lambda: print(port_of(listener), flush=True)), listener)
"""


@pytest.mark.clause("X1", "X6")
@pytest.mark.accept("A8")
def test_sigterm_closes_everybody_with_4301_and_ends_with_0(transport: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NG_")}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, transport],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        silent = socket.create_connection(("127.0.0.1", port))
        with connect(f"ws://127.0.0.1:{port}/ws", compression=None) as client:
            client.recv(10)
            process.send_signal(signal.SIGTERM)
            assert "goaway" in str(client.recv(10))
            with pytest.raises(Exception, match="4301"):
                client.recv(10)
        silent.close()
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
