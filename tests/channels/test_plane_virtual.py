"""Virtual connections: the same plane without a socket, for what an ASGI server relays."""

import orjson
import pytest

from channels._native import EVENT_CLOSED, EVENT_FEED, EVENT_OUTPUT, EVENT_UNREADABLE
from tests.support.plane_peer import Running, entry

TEXT, BINARY, CLOSE = 1, 2, 8


def output(running: Running, conn: int, count: int = 1) -> list[tuple[int, bytes]]:
    """The next messages for the peer of a virtual connection."""
    taken: list[tuple[int, bytes]] = []
    while len(taken) < count:
        more = running.plane.take_output(conn)
        if not more:
            running.event(lambda event: event[:2] == (conn, EVENT_OUTPUT))
        taken += more
    return taken


def test_messages_go_in_and_out_without_frames() -> None:
    with Running() as running:
        conn = running.plane.attach_virtual()
        assert running.plane.feed(conn, b'{"type":"ping"}', binary=False)
        assert running.text(conn) == b'{"type":"ping"}'
        running.send(conn, b'{"type":"pong"}')
        running.send(conn, b'{"x":"' + b"x" * 200_000 + b'"}')
        assert [(opcode, len(data)) for opcode, data in output(running, conn, 2)] == [(TEXT, 15), (TEXT, 200_008)]
        assert running.plane.take_output(conn) == []


@pytest.mark.clause("M9", "S2")
def test_a_virtual_connection_follows_channels_like_any_other() -> None:
    with Running() as running:
        conn = running.plane.attach_virtual()
        log = running.open_log()
        epoch, _ = running.append(log, entry())
        running.subscribe(conn, log, ("last", 1))
        # More than the pipe between the two holds: nothing is taken until the end, and nothing is missing.
        for _ in range(50):
            running.append(log, entry(b'"' + b"x" * 20_000 + b'"'))
        messages = [orjson.loads(data) for _, data in output(running, conn, 52)]
        assert {"type": "subscribed", "position": f"{epoch}:0", "behind": 1} == messages[0]
        assert list(range(1, 52)) == [message["offset"] for message in messages[1:]]


@pytest.mark.clause("B1", "S2")
def test_a_message_larger_than_the_pipe_comes_whole_to_who_waits_to_be_told() -> None:
    with Running() as running:
        conn = running.plane.attach_virtual()
        log = running.open_log()
        running.subscribe(conn, log)
        output(running, conn)
        for size in (900_000, 10, 1_500_000):
            running.append(log, entry(b'"' + b"x" * size + b'"'))
            [(opcode, data)] = output(running, conn)
            assert (opcode, size) == (TEXT, len(orjson.loads(data)["data"]))


def test_msgpack_goes_out_as_binary() -> None:
    with Running() as running:
        conn = running.plane.attach_virtual(encoding="msgpack")
        running.plane.feed(conn, b"\x80", binary=True)
        running.send(conn, b"\x80")
        assert output(running, conn) == [(BINARY, b"\x80")]


@pytest.mark.clause("L7", "L10", "M10")
def test_messages_are_held_to_the_same_limits() -> None:
    with Running() as running:
        conn = running.plane.attach_virtual(max_message=100)
        running.plane.feed(conn, b"{", binary=False)
        running.plane.feed(conn, b"x" * 101, binary=False)
        slugs = [running.event(lambda event: event[1] == EVENT_UNREADABLE)[2] for _ in range(2)]
        assert slugs == ["bad_json", "too_large"]
        running.plane.feed(conn, b"x" * 801, binary=False)
        assert [(CLOSE, (4013).to_bytes(2) + b"too_large; at most 800 bytes are skipped")] == output(running, conn)
        assert running.closed(conn) == ((4013, "too_large; at most 800 bytes are skipped"), "limit")


def test_text_that_is_no_utf8_closes() -> None:
    with Running() as running:
        conn = running.plane.attach_virtual()
        running.plane.feed(conn, b"\xff", binary=False)
        assert [(CLOSE, (1007).to_bytes(2) + b"invalid_utf8")] == output(running, conn)


@pytest.mark.clause("X6")
def test_our_close_ends_when_the_peer_has_answered() -> None:
    with Running(close_wait=60.0) as running:
        conn = running.plane.attach_virtual()
        running.plane.send(conn, b"{}")
        running.close(conn, 4301, "draining")
        assert [(TEXT, b"{}"), (CLOSE, (4301).to_bytes(2) + b"draining")] == output(running, conn, 2)
        running.plane.feed_close(conn, 4301)
        assert running.closed(conn) == ((4301, "draining"), "local")


@pytest.mark.parametrize(("code", "cause"), [(1001, "peer"), (1005, "peer"), (1006, "lost")])
def test_the_peers_end_is_told_behind_its_messages(code: int, cause: str) -> None:
    with Running() as running:
        conn = running.plane.attach_virtual()
        running.plane.feed(conn, b"{}", binary=False)
        running.plane.feed_close(conn, code, "bye")
        assert running.text(conn) == b"{}"
        reason = "" if cause == "lost" else "bye"
        assert ((code, reason), cause) == running.closed(conn)
        assert running.plane.feed(conn, b"{}", binary=False)


def test_the_last_output_can_be_taken_after_the_end() -> None:
    with Running(close_wait=0.05) as running:
        conn = running.plane.attach_virtual()
        running.close(conn, 4010, "kicked")
        running.closed(conn)
        assert [(CLOSE, (4010).to_bytes(2) + b"kicked")] == running.plane.take_output(conn)
        assert running.plane.take_output(conn) == []


def test_who_feeds_too_fast_is_asked_to_wait_and_told_when_to_go_on() -> None:
    with Running(inbox_messages=5) as running:
        conn = running.plane.attach_virtual()
        fed = 0
        while running.plane.feed(conn, b'{"n":%d}' % fed, binary=False):
            fed += 1
        assert fed < 1_000
        for number in range(fed + 1):
            assert b'{"n":%d}' % number == running.text(conn)
        assert (conn, EVENT_FEED, None, None) == running.event(lambda event: event[1] == EVENT_FEED)
        assert running.plane.feed(conn, b"{}", binary=False)


@pytest.mark.clause("S8")
def test_a_relay_that_takes_nothing_is_slow() -> None:
    with Running(write_stall=0.3) as running:
        conn = running.plane.attach_virtual()
        log = running.open_log()
        running.subscribe(conn, log)
        for _ in range(20):
            running.append(log, entry(b'"' + b"x" * 50_000 + b'"'))
        assert running.closed(conn) == ((4213, "slow; nothing was read"), "slow")


def test_no_heartbeat_is_kept_for_who_has_an_asgi_server() -> None:
    with Running(heartbeat_interval=0.05, heartbeat_timeout=0.05) as running:
        conn = running.plane.attach_virtual()
        other, _ = running.connect()
        running.closed(other)
        assert not any(event[:2] == (conn, EVENT_CLOSED) for event in running.pending)
        running.send(conn, b"{}")
        assert output(running, conn) == [(TEXT, b"{}")]
