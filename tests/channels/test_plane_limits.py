"""What one peer may do, and what the plane does with one that does more."""

import contextlib
import time

import pytest

from channels._native import EVENT_TEXT
from tests.support.plane_peer import Running, entry, masked


@pytest.mark.clause("L17")
def test_more_control_frames_than_allowed_close() -> None:
    with Running(control_rate=(20.0, 0.0)) as running:
        conn, peer = running.connect()
        peer.send_raw(masked(9, b"") * 21)
        assert peer.close_received() == (4229, "rate_abuse")
        assert running.closed(conn) == ((4229, "rate_abuse"), "limit")


@pytest.mark.clause("L17")
def test_pongs_that_are_not_read_do_not_pile_up() -> None:
    with Running(control_rate=(1e9, 0.0)) as running:
        conn, peer = running.connect_tcp()
        log = running.open_log()
        running.subscribe(conn, log)
        peer.subscribed()
        # An event that fills every buffer: pongs wait behind its frames.
        running.append(log, entry(b'"' + b"x" * 16_000_000 + b'"'))
        for number in range(1_000):
            peer.send_raw(masked(9, str(number).encode()))
        peer.send(b"{}")
        running.text(conn)
        pongs: list[bytes] = []
        while not pongs or pongs[-1] != b"999":
            frame = peer.frame()
            assert frame is not None
            if frame.opcode == 10:
                pongs.append(bytes(frame.data))
        assert len(pongs) < 1_000


@pytest.mark.clause("L18")
def test_more_messages_than_allowed_close_behind_those_that_were_allowed() -> None:
    with Running(message_rate=(5.0, 0.0)) as running:
        conn, peer = running.connect()
        peer.send_raw(masked(1, b"{}") * 6)
        assert peer.close_received() == (4229, "rate_abuse")
        assert [running.text(conn) for _ in range(5)] == [b"{}"] * 5
        assert running.closed(conn)[1] == "limit"


@pytest.mark.clause("L19")
def test_bytes_beyond_the_rate_are_not_read_until_allowed() -> None:
    with Running(byte_rate=(1_000.0, 10_000.0), heartbeat_interval=0.1, heartbeat_timeout=0.1) as running:
        conn, peer = running.connect()
        started = time.monotonic()
        peer.send(b'"' + b"x" * 4_000 + b'"')
        running.text(conn)
        peer.send(b"{}")
        running.text(conn)
        assert time.monotonic() - started >= 0.25
        assert running.plane.stats()["late"] == 0


@pytest.mark.clause("L19", "X6")
def test_a_flooder_is_not_read_faster_for_having_been_closed() -> None:
    with Running(byte_rate=(1_000.0, 1_000.0), control_rate=(5.0, 0.0), close_wait=0.5) as running:
        conn, peer = running.connect_tcp()
        peer.send_raw(masked(9, b"") * 6)
        peer.sock.setblocking(False)
        sent = 0
        # It neither reads nor answers the close frame; its kernel takes what it sends until the buffers are full.
        with contextlib.suppress(BlockingIOError):
            while sent < 8_000_000:
                sent += peer.sock.send(b"x" * 65_536)
        assert running.closed(conn) == ((4229, "rate_abuse"), "limit")
        assert running.plane.stats()["bytes_in"] < 300_000 < sent  # type: ignore[operator]


@pytest.mark.parametrize(
    "start", [masked(1, b"x" * 10)[:8], masked(1, b"x", fin=False), b"\x81"], ids=["frame", "fragments", "head"]
)
@pytest.mark.clause("L16")
def test_a_message_that_is_never_finished_closes(start: bytes) -> None:
    with Running(message_timeout=0.3) as running:
        conn, peer = running.connect()
        peer.send_raw(start)
        assert peer.close_received() == (4208, "timeout; unfinished message")
        assert running.closed(conn)[1] == "timeout"


@pytest.mark.clause("L16")
def test_too_many_empty_fragments_close() -> None:
    with Running(max_empty_fragments=3) as running:
        conn, peer = running.connect()
        peer.send_raw(masked(1, b"", fin=False) + masked(0, b"", fin=False) * 4)
        assert peer.close_received()[0] == 4229
        assert running.closed(conn)[1] == "limit"


@pytest.mark.clause("S8")
def test_a_peer_that_takes_nothing_is_closed_and_the_others_notice_nothing() -> None:
    with Running(write_stall=0.5) as running:
        stalled, sleeper = running.connect_tcp()
        conn, peer = running.connect_tcp()
        log = running.open_log()
        for one, its in ((stalled, sleeper), (conn, peer)):
            running.subscribe(one, log)
            its.subscribed()
        data = b'"' + b"x" * 100_000 + b'"'
        for offset in range(1, 101):
            running.append(log, entry(data))
            assert [offset] == peer.offsets(1)
        assert running.closed(stalled) == ((4213, "slow; nothing was read"), "slow")
        assert (running.plane.stats()["stalls"], running.plane.stats()["overruns"]) == (1, 0)


@pytest.mark.clause("S9", "M48", "M49")
def test_an_overrun_subscriber_is_told_what_it_missed_and_goes_on() -> None:
    with Running(resume_events=5) as running:
        conn, peer = running.connect_tcp()
        log = running.open_log(max_entries=10)
        running.subscribe(conn, log)
        peer.subscribed()
        for _ in range(400):
            epoch, _ = running.append(log, entry(b'"' + b"x" * 50_000 + b'"'))
        cursor, gaps = 0, []
        while cursor < 400:
            message = peer.message()
            if message["type"] == "gap":
                assert f"{epoch}:{cursor}" == message["from"]
                position = int(message["to"].removeprefix(f"{epoch}:"))
                assert (position - cursor, "slow") == (message["missed"], message["reason"])
                gaps.append(message)
                cursor = position
            else:
                cursor += 1
                assert cursor == message["offset"]
        assert gaps
        counted = running.plane.stats()["channels"]["logs"]["gaps"]["slow"]  # type: ignore[index]
        assert (len(gaps), sum(gap["missed"] for gap in gaps)) == counted


@pytest.mark.clause("S9")
def test_an_overrun_subscriber_that_asked_for_it_is_closed() -> None:
    with Running() as running:
        conn, peer = running.connect_tcp()
        log = running.open_log(max_entries=10)
        running.subscribe(conn, log, on_slow="close")
        peer.subscribed()
        for _ in range(400):
            running.append(log, entry(b'"' + b"x" * 50_000 + b'"'))
        assert peer.close_received() == (4213, "slow; overrun")
        assert running.closed(conn) == ((4213, "slow; overrun"), "slow")
        assert running.plane.stats()["overruns"] == 1


@pytest.mark.clause("S11")
def test_nothing_is_read_from_a_peer_that_does_not_take_its_answers() -> None:
    with Running(answer_buffer=1_000_000) as running:
        conn, peer = running.connect()
        other, alive = running.connect()
        # The kernel holds a few hundred KB of these between the two ends of a socket pair, the rest waits.
        for _ in range(60):
            running.plane.send(conn, b'{"x":"' + b"x" * 60_000 + b'"}')
        running.plane.flush()
        peer.send(b'{"n":1}')
        for _ in range(3):
            alive.send(b"{}")
            running.text(other)
        assert running.pending == []
        peer.messages(60)
        assert running.text(conn) == b'{"n":1}'


@pytest.mark.clause("S11")
def test_answers_beyond_every_measure_close() -> None:
    with Running(answer_buffer=10_000) as running:
        conn, _ = running.connect_tcp()
        for _ in range(500):
            running.plane.send(conn, b'"' + b"x" * 30_000 + b'"')
        running.plane.flush()
        assert running.closed(conn) == ((4213, "slow; answers not read"), "slow")


@pytest.mark.clause("S3", "S4")
def test_latest_conflates_by_key_for_a_slow_reader_and_ends_with_the_newest() -> None:
    with Running() as running:
        conn, peer = running.connect_tcp()
        log = running.open_log("metrics", last_per_key=True, max_entries=3)
        running.subscribe(conn, log, "snapshot", delivery="latest")
        peer.subscribed()
        for number in range(300):
            running.append(log, entry(b'"' + b"x" * 50_000 + b'"', key=f"k{number % 3}"))
        offsets = peer.offsets(1)
        while offsets[-1] < 300:
            offsets += peer.offsets(1)
        assert offsets == sorted(set(offsets))
        assert len(offsets) < 300
        assert offsets[-3:] == [298, 299, 300]


@pytest.mark.clause("S7")
def test_max_rate_bounds_the_events_of_a_second() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log("metrics")
        running.subscribe(conn, log, delivery="latest", max_rate=20.0)
        peer.subscribed()
        started = time.monotonic()
        running.append(log, *[entry(key=f"k{number % 10}") for number in range(100)])
        assert list(range(91, 101)) == peer.offsets(10)
        assert time.monotonic() - started >= 9 / 20
        running.append(log, entry(key="k1"))
        assert peer.offsets(1) == [101]


def test_nothing_is_lost_when_python_does_not_drain() -> None:
    with Running(inbox_messages=10, heartbeat_interval=0.1, heartbeat_timeout=0.1) as running:
        conn, peer = running.connect()
        peer.send_raw(b"".join(masked(1, b'{"n":%d}' % number) for number in range(500)))
        running.until("inbox_full", 1)
        assert running.plane.stats()["inbox"] == 10
        assert [b'{"n":%d}' % number for number in range(500)] == [running.text(conn) for _ in range(500)]
        assert running.pending == []


def test_one_flooder_does_not_keep_the_others_waiting() -> None:
    with Running(message_rate=(1e9, 0.0), byte_rate=(1e12, 0.0), turn_read=4_096) as running:
        flooder, flood = running.connect_tcp()
        conn, peer = running.connect()
        flood.sock.setblocking(False)
        frames = masked(1, b'{"type":"ping"}') * 20_000
        sent = flood.sock.send(frames)
        peer.send(b'{"n":1}')
        assert running.text(conn) == b'{"n":1}'
        seen = sum(event[:2] == (flooder, EVENT_TEXT) for event in running.pending)
        assert seen < sent // 21
