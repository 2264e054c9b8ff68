"""The plane as Python drives it: logs, events, figures, and how it starts and stops."""

import os
import select
import socket

import msgpack  # type: ignore[import-untyped]
import orjson
import pytest

from channels._native import EVENT_CLOSED, EVENT_TEXT, Plane, PlaneError, check_json, json_to_msgpack
from tests.support.plane_peer import Running, entry


def test_read_log_gives_entries_as_messages_and_sweep_lets_old_ones_go() -> None:
    with Running() as running:
        log = running.open_log(seconds=10.0)
        for ts in (1.0, 5.0, 9.0):
            running.append(log, entry(), ts=ts)
        assert [orjson.loads(text)["offset"] for text in running.plane.read_log(log, 1)] == [2, 3]
        assert [orjson.loads(text)["offset"] for text in running.plane.read_log(log, 0, 1)] == [1]
        running.plane.sweep(15.5)
        info = running.plane.log_info(log)
        assert (info["head"], info["first"], info["entries"], info["appended"]) == (3, 3, 1, 3)


def test_logs_are_opened_once_and_forgotten_with_their_cursors() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log("room:1")
        epoch = running.plane.log_info(log)["epoch"]
        with pytest.raises(PlaneError, match="room:1 has an open log already"):
            running.open_log("room:1")
        running.subscribe(conn, log)
        peer.subscribed()
        running.plane.close_log(log)
        with pytest.raises(PlaneError, match="an open log was expected"):
            running.append(log, entry())
        again = running.open_log("room:1")
        assert epoch != running.plane.log_info(again)["epoch"]
        running.subscribe(conn, again)
        running.append(again, entry())
        peer.subscribed()
        assert peer.offsets(1) == [1]


def test_log_memory_lets_the_oldest_entries_of_the_largest_log_go() -> None:
    with Running(log_memory=100_000) as running:
        small, large = running.open_log("small"), running.open_log("large")
        running.append(small, entry())
        for _ in range(50):
            running.append(large, entry(b'"' + b"x" * 4_000 + b'"'))
        assert running.plane.log_info(small)["entries"] == 1
        assert running.plane.stats()["log_bytes"] <= 100_000  # type: ignore[operator]
        info = running.plane.log_info(large)
        assert 50 - info["entries"] == running.plane.stats()["log_overflow"] > 0  # type: ignore[operator]


@pytest.mark.parametrize("ts", [float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(ts: float) -> None:
    with Running() as running:
        log = running.open_log()
        with pytest.raises(ValueError, match="a finite number of seconds was expected"):
            running.append(log, entry(), ts=ts)


def test_arguments_that_are_wrong_say_what_was_expected() -> None:
    with Running() as running:
        log = running.open_log()
        for spec, text in [
            ((log, "some", "gap", None, "new", False, None, None), "delivery"),
            ((log, "all", "stop", None, "new", False, None, None), "on_slow"),
            ((log, "all", "gap", None, "old", False, None, None), "start"),
            ((log, "all", "gap", None, "snapshot", False, None, None), "snapshot"),
            ((log, "all", "gap", 5.0, "new", False, None, None), "max_rate"),
            ((log, "latest", "gap", 0.0, "new", False, None, None), "max_rate"),
        ]:
            with pytest.raises(ValueError, match=text):
                running.plane.subscribe(1, [spec], [b"", b""])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="2 parts were expected for 1 specs, 1 came"):
            running.plane.subscribe(1, [(log, "all", "gap", None, "new", False, None, None)], [b""])
        with pytest.raises(ValueError, match="io_threads"):
            Plane(io_threads=0)
        with pytest.raises(ValueError, match="message_rate"):
            Plane(message_rate=(-1.0, 2.0))


def test_commands_for_what_is_gone_are_counted_and_do_nothing() -> None:
    with Running() as running:
        conn, peer = running.connect()
        peer.sock.close()
        running.closed(conn)
        running.plane.send(conn, b"{}")
        running.plane.close(conn, 4010, "kicked")
        running.plane.unsubscribe(conn, [1])
        other, alive = running.connect()
        running.send(other, b"{}")
        assert alive.message() == {}
        assert other > conn
        assert running.plane.stats()["late"] == 3


def test_drain_takes_as_many_as_asked_and_the_descriptor_stays_readable() -> None:
    with Running() as running:
        conn, peer = running.connect()
        for _ in range(5):
            peer.send(b'{"type":"ping"}')
        taken: list[object] = []
        while len(taken) < 5:
            readable, _, _ = select.select([running.plane.wakeup_fd()], [], [], 10)
            assert readable
            batch = running.plane.drain(2)
            assert len(batch) <= 2
            taken += batch
        assert [(conn, EVENT_TEXT, b'{"type":"ping"}', None)] * 5 == taken
        assert running.plane.drain() == []
        assert not select.select([running.plane.wakeup_fd()], [], [], 0)[0]


def test_several_io_threads_share_the_connections_and_all_deliver() -> None:
    with Running(io_threads=3) as running:
        log = running.open_log()
        peers = [running.connect() for _ in range(9)]
        for conn, _ in peers:
            running.subscribe(conn, log)
        for _, peer in peers:
            peer.subscribed()
        for _ in range(20):
            running.append(log, entry())
        running.plane.send_many([(conn, b'{"type":"pong"}') for conn, _ in peers])
        running.plane.flush()
        for _, peer in peers:
            received = peer.messages(21)
            assert list(range(1, 21)) == [message["offset"] for message in received if message["type"] == "event"]
            assert sum(message["type"] == "pong" for message in received) == 1
        assert {0, 1, 2} == {conn % 3 for conn, _ in peers}


@pytest.mark.clause("X1")
def test_stop_closes_what_is_open_and_ends_the_threads() -> None:
    running = Running()
    conn, peer = running.connect()
    running.append(running.open_log(), entry())
    assert running.plane.stop(0.5) is True
    assert peer.close_received() == (4301, "draining")
    assert [(conn, EVENT_CLOSED, (4301, "draining"), "stop")] == running.plane.drain()
    with pytest.raises(PlaneError, match="stopped"):
        running.connect()
    with pytest.raises(PlaneError, match="stopped"):
        running.plane.start()
    running.stop()


def test_a_descriptor_is_owned_at_once_and_closed_when_it_cannot_be_used() -> None:
    with Running() as running:
        reader, writer = os.pipe()
        with pytest.raises(PlaneError):
            running.plane.attach(reader, b"", b"")
        with pytest.raises(BrokenPipeError):
            os.write(writer, b"x")
        os.close(writer)
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with pytest.raises(ValueError, match="a stream socket was expected"):
            running.plane.attach(datagram.detach(), b"", b"")
        with pytest.raises(PlaneError, match="an open descriptor was expected"):
            running.plane.attach(1_000_000, b"", b"")


def test_a_plane_works_only_in_the_process_that_started_it() -> None:
    with pytest.raises(PlaneError, match="not started"):
        Plane().attach_virtual()
    with Running() as running:
        child = os.fork()
        if child == 0:
            try:
                running.plane.attach_virtual()
            except PlaneError as error:
                os._exit(0 if "forked" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_figures_count_what_went_through() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log("metrics")
        running.subscribe(conn, log)
        peer.subscribed()
        running.append(log, *[entry()] * 3)
        assert peer.offsets(3) == [1, 2, 3]
        peer.send(b"{}")
        running.text(conn)
        peer.sock.close()
        running.closed(conn)
        stats = running.plane.stats()
        assert {
            name: stats[name] for name in ("opened", "connections", "messages_in", "deliveries", "answers", "closed")
        } == {"opened": 1, "connections": 0, "messages_in": 1, "deliveries": 3, "answers": 1, "closed": {1006: 1}}
        channel = stats["channels"]["metrics"]  # type: ignore[index]
        assert (channel["appended"], channel["deliveries"], channel["cursors"]) == (3, 3, 0)
        assert sum(channel["last_write_seconds"]["counts"]) == 1
        assert running.plane.connection_stats(conn) is None


@pytest.mark.clause("M10", "M13", "M14")
def test_json_that_came_another_way_is_held_to_the_same_rules() -> None:
    check_json(b'{"type":"publish","data":{"a":1,"a":18446744073709551615}}')
    for text in (b'{"a":NaN}', b'{"a":1,"a":2}', b'"\\ud800"', b"1e400", b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", b""):
        with pytest.raises(ValueError, match="expected"):
            check_json(text)
    assert msgpack.unpackb(json_to_msgpack(b'{"a":[1,2.5,null,true,"x"]}')) == {"a": [1, 2.5, None, True, "x"]}
