"""One connection of the plane: frames in and out, heartbeat, the ends it can come to."""

import socket
import struct
import time

import pytest
from websockets.frames import Opcode

from channels._native import EVENT_BINARY, EVENT_UNREADABLE
from tests.support.plane_peer import Running, entry, masked


@pytest.mark.clause("C14")
def test_the_head_is_sent_first_and_the_tail_is_parsed_first() -> None:
    with Running() as running:
        conn, peer = running.connect(head=b"HTTP/1.1 101 Switching Protocols\r\n\r\n", tail=masked(1, b'{"n":1}'))
        peer.send(b'{"n":2}')
        assert peer.sock.recv(100) == b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
        assert [running.text(conn), running.text(conn)] == [b'{"n":1}', b'{"n":2}']


@pytest.mark.clause("C14", "H3")
def test_no_frame_goes_out_before_the_head() -> None:
    with Running() as running:
        conn, peer = running.connect(head=b"HTTP/1.1 101 Switching Protocols\r\n\r\n", tail=masked(9, b"early"))
        running.send(conn, b"{}")
        wire = b""
        while len(wire) < 36 + 7 + 4:
            wire += peer.sock.recv(100)
        assert wire == b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"\x8a\x05early" + b"\x81\x02{}"


@pytest.mark.clause("M10", "M15")
def test_text_that_is_no_json_is_told_and_the_connection_lives_on() -> None:
    with Running() as running:
        conn, peer = running.connect()
        peer.send(b'{"type":"ping"')
        _, kind, slug, text = running.event(lambda event: event[0] == conn)
        assert (kind, slug) == (EVENT_UNREADABLE, "bad_json")
        assert "expected" in str(text)
        peer.send(b'{"type":"ping"}')
        assert running.text(conn) == b'{"type":"ping"}'


@pytest.mark.clause("B4", "C2")
def test_a_binary_message_is_passed_on_unread() -> None:
    with Running() as running:
        conn, peer = running.connect()
        peer.send_binary(b"\x01\xff")
        assert (conn, EVENT_BINARY, b"\x01\xff", None) == running.event(lambda event: event[0] == conn)


@pytest.mark.clause("C2")
def test_text_under_msgpack_is_illegal() -> None:
    with Running() as running:
        conn, peer = running.connect(encoding="msgpack")
        peer.send(b"{}")
        assert peer.close_received() == (4000, "protocol_broken; text frame under msgpack")
        assert running.closed(conn)[1] == "protocol"


@pytest.mark.clause("L7", "L10")
def test_a_message_over_its_limit_is_skipped_and_one_far_over_it_closes() -> None:
    with Running() as running:
        conn, peer = running.connect(max_message=100)
        peer.send(b'"' + b"x" * 500 + b'"')
        _, kind, slug, text = running.event(lambda event: event[0] == conn)
        assert (kind, slug) == (EVENT_UNREADABLE, "too_large")
        assert "at most 100 bytes was expected, one of 502 or more came" in str(text)
        running.plane.set_max_message(conn, 1_000)
        running.send(conn, b"{}")
        peer.message()
        peer.send(b'"' + b"x" * 900 + b'"')
        assert len(running.text(conn)) == 902
        peer.send(b"x" * 8_001)
        ended = (4013, "too_large; at most 8000 bytes are skipped")
        assert peer.close_received() == ended
        assert running.closed(conn) == (ended, "limit")


@pytest.mark.parametrize(
    ("frame", "code"),
    [(b"\x81\x02{}", 1002), (b"\xc1\x80\0\0\0\0", 1002), (b"\x83\x80\0\0\0\0", 1002), (masked(1, b"\xff"), 1007)],
    ids=["unmasked", "rsv1", "opcode", "utf8"],
)
@pytest.mark.clause("M15")
def test_broken_framing_closes_and_its_payload_reaches_nobody(frame: bytes, code: int) -> None:
    with Running() as running:
        conn, peer = running.connect()
        peer.send(b'{"n":1}')
        peer.send_raw(frame)
        assert code == peer.close_received()[0]
        assert running.text(conn) == b'{"n":1}'
        told, cause = running.closed(conn)
        assert isinstance(told, tuple)
        assert (told[0], cause, running.pending) == (code, "protocol", [])


@pytest.mark.clause("H3", "H4")
def test_a_ping_is_answered_with_its_payload_though_python_does_not_drain() -> None:
    with Running(inbox_messages=1) as running:
        _, peer = running.connect()
        peer.protocol.send_ping(b"are you there")
        peer.flush()
        assert peer.control(Opcode.PONG) == b"are you there"


@pytest.mark.clause("H1", "H3")
def test_silence_is_answered_by_a_ping_and_then_by_the_end() -> None:
    with Running(heartbeat_interval=0.2, heartbeat_timeout=0.2) as running:
        conn, peer = running.connect()
        assert peer.control(Opcode.PING) == b""
        peer.flush()
        assert peer.control(Opcode.PING) == b""
        assert peer.close_received() == (4208, "timeout; no sign of life")
        assert running.closed(conn)[1] == "timeout"
        counts = running.plane.stats()["heartbeat_seconds"]["counts"]  # type: ignore[index]
        assert sum(counts) == 1


@pytest.mark.clause("X6", "X3")
def test_our_close_comes_behind_the_answers_and_waits_for_the_peers() -> None:
    with Running(close_wait=30.0) as running:
        conn, peer = running.connect()
        running.plane.send(conn, b'{"type":"welcome"}')
        running.close(conn, 4010, "kicked")
        assert peer.message() == {"type": "welcome"}
        assert peer.close_received() == (4010, "kicked")
        assert running.closed(conn) == ((4010, "kicked"), "local")
        assert peer.frame() is None


@pytest.mark.clause("X6")
def test_a_peer_that_does_not_answer_our_close_is_cut_off() -> None:
    with Running(close_wait=0.2) as running:
        conn, peer = running.connect()
        started = time.monotonic()
        running.close(conn, 4010, "kicked")
        assert running.closed(conn) == ((4010, "kicked"), "local")
        assert 0.2 <= time.monotonic() - started < 5
        assert getattr(peer.frame(), "opcode", None) == Opcode.CLOSE
        assert peer.frame() is None


@pytest.mark.parametrize(("code", "reason"), [(1000, "forget"), (4999, "")])
@pytest.mark.clause("X6", "R15")
def test_a_peers_close_is_answered_with_its_code_behind_what_it_sent(code: int, reason: str) -> None:
    with Running() as running:
        conn, peer = running.connect()
        peer.send(b'{"n":1}')
        peer.send_raw(masked(8, code.to_bytes(2) + reason.encode()) + masked(1, b'{"n":2}'))
        frame = peer.frame()
        assert frame is not None
        assert code.to_bytes(2) == bytes(frame.data)
        assert peer.frame() is None
        assert running.text(conn) == b'{"n":1}'
        assert ((code, reason), "peer") == running.closed(conn)
        assert running.pending == []


def test_a_close_without_a_code_is_1005() -> None:
    with Running() as running:
        conn, peer = running.connect()
        peer.send_raw(masked(8, b""))
        assert running.closed(conn) == ((1005, ""), "peer")
        assert peer.control(Opcode.CLOSE) == b""


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_a_stream_that_ends_without_a_close_frame_is_lost(reset: bool) -> None:
    with Running() as running:
        conn, peer = running.connect_tcp()
        log = running.open_log()
        running.subscribe(conn, log)
        peer.subscribed()
        peer.send(b'{"n":1}')
        assert running.text(conn) == b'{"n":1}'
        if reset:
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()
        assert running.closed(conn) == ((1006, ""), "lost")
        assert running.plane.log_info(log)["cursors"] == 0


def test_thousands_of_connections_go_at_once_and_nothing_is_left() -> None:
    with Running() as running:
        log = running.open_log()
        pairs = [running.connect() for _ in range(1_000)]
        for conn, _ in pairs:
            running.subscribe(conn, log)
        for _, peer in pairs:
            peer.sock.close()
        ended = {running.closed(conn)[1] for conn, _ in pairs}
        assert {"lost"} == ended
        running.append(log, entry())
        stats = running.plane.stats()
        assert (stats["connections"], running.plane.log_info(log)["cursors"], stats["opened"]) == (0, 0, 1_000)


@pytest.mark.clause("B1")
def test_large_messages_come_in_fragments_and_control_frames_pass_between_them() -> None:
    with Running() as running:
        conn, peer = running.connect_tcp()
        log = running.open_log()
        running.subscribe(conn, log)
        peer.subscribed()
        large = b'"' + b"x" * 8_000_000 + b'"'
        running.append(log, entry(large))
        first = peer.frame()
        assert first is not None
        peer.protocol.send_ping(b"?")
        peer.flush()
        size, passed, fragments = len(first.data), 0, 1
        while (frame := peer.frame()) is not None:
            if frame.opcode is Opcode.PONG:
                passed = fragments
                continue
            fragments += 1
            size += len(frame.data)
            assert len(frame.data) <= 65_536
            if frame.fin:
                break
        assert 0 < passed < fragments
        assert len(large) < size < len(large) + 200


@pytest.mark.parametrize("size", [0, 5, 200, 70_000])
def test_an_echo_connection_returns_every_message(size: int) -> None:
    with Running() as running:
        conn, peer = running.connect_echo()
        peer.send(b"x" * size)
        peer.send_binary(b"\xff" * size)
        assert (Opcode.TEXT, b"x" * size) == peer.payload()
        assert (Opcode.BINARY, b"\xff" * size) == peer.payload()
        peer.send_raw(masked(1, b"caf", fin=False) + masked(9, b"?") + masked(0, b"e"))
        assert peer.payload() == (Opcode.TEXT, b"cafe")
        peer.sock.close()
        assert running.closed(conn) == ((1006, ""), "lost")
        assert running.pending == []
