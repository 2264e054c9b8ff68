"""Where cursors of the plane stand: what clients are told, what Python is, and what becomes of it in another epoch."""

import msgpack  # type: ignore[import-untyped]
import orjson
import pytest

from channels._native import EVENT_POSITIONS, PlaneError
from tests.support.plane_peer import Running, entry


def positions(running: Running, conn: int) -> object:
    """What the plane says about the cursors of a connection."""
    running.plane.positions(conn)
    running.plane.flush()
    return running.event(lambda event: event[:2] == (conn, EVENT_POSITIONS))[2]


@pytest.mark.clause("P9", "M47", "M8")
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_a_cursor_that_moved_in_silence_is_told_where_it_stands(encoding: str) -> None:
    with Running() as running:
        conn, peer = running.connect(encoding=encoding)
        log = running.open_log("connections", last_per_key=True)
        gone = [entry(b"null", key=f"k{number}") for number in range(1_200)]
        epoch, _ = running.append(log, entry(key="a"), *gone)
        running.subscribe(conn, log, "snapshot", delivery="latest")
        peer.payload()
        read = msgpack.unpackb if encoding == "msgpack" else orjson.loads
        assert read(peer.payload()[1])["offset"] == 1
        assert {"type": "ack", "positions": {"connections": f"{epoch}:1201"}} == read(peer.payload()[1])
        assert running.plane.stats()["watermarks"] == 1


@pytest.mark.clause("P9")
def test_a_little_silence_is_told_after_a_second_and_only_once() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log("connections", last_per_key=True)
        epoch, _ = running.append(log, entry(key="a"), entry(b"null", key="b"))
        running.subscribe(conn, log, "snapshot", delivery="latest")
        peer.subscribed()
        assert peer.offsets(1) == [1]
        assert {"type": "ack", "positions": {"connections": f"{epoch}:2"}} == peer.message()
        running.append(log, entry(key="a"))
        assert peer.offsets(1) == [3]


@pytest.mark.clause("R16")
def test_positions_cover_what_was_handed_to_the_stream_and_nothing_else() -> None:
    with Running() as running:
        conn, peer = running.connect_tcp()
        logs = [running.open_log(name) for name in ("actions", "logs")]
        for log in logs:
            running.subscribe(conn, log)
        # More than every buffer on the way holds: some of it stays.
        epochs = [running.append(log, *[entry(b'"' + b"x" * 100_000 + b'"')] * 100)[0] for log in logs]
        running.plane.positions(conn)
        running.plane.flush()
        # What was begun before the question has to be taken first.
        handed = {message["channel"]: message["offset"] for message in peer.messages(2 + 20) if "offset" in message}
        told = running.event(lambda event: event[:2] == (conn, EVENT_POSITIONS))[2]
        running.send(conn, b'{"type":"reconnection_token"}')
        while (message := peer.message())["type"] != "reconnection_token":
            if message["type"] == "event":
                handed[message["channel"]] = message["offset"]
        assert isinstance(told, list)
        last = dict(zip(logs, (handed["actions"], handed["logs"]), strict=True))
        for (log, position), epoch in zip(sorted(told), epochs, strict=True):
            # At 0 where the other channel filled the buffers before this one had its turn.
            assert position in {f"{epoch}:{offset}" for offset in range(last[log] + 1)}
        assert {position for _, position in told} != {f"{epoch}:0" for epoch in epochs}
        assert sum(handed.values()) < 200


@pytest.mark.clause("R16", "R8")
def test_positions_wait_for_answers_and_stand_behind_a_window_at_what_was_acknowledged() -> None:
    with Running(answer_buffer=1 << 30) as running:
        conn, peer = running.connect_tcp()
        log, windowed = running.open_log("logs", max_entries=2), running.open_log("actions")
        epoch, _ = running.append(log, *[entry()] * 5)
        # An answer that fills every buffer: what follows it has to wait.
        running.plane.send(conn, b'"' + b"x" * 30_000_000 + b'"')
        running.subscribe(conn, log, ("at", epoch, 1))
        running.subscribe(conn, windowed, ack=10)
        other, _ = running.append(windowed, entry(), entry())
        running.plane.positions(conn)
        running.plane.flush()
        peer.messages(3)
        told = running.event(lambda event: event[:2] == (conn, EVENT_POSITIONS))[2]
        assert (windowed, f"{other}:0") in told  # type: ignore[operator]
        received = peer.messages(5)
        assert [message["type"] for message in received].count("gap") == 1
        running.plane.ack(conn, [(windowed, other, 1)])
        assert [(log, f"{epoch}:5"), (windowed, f"{other}:1")] == sorted(positions(running, conn))  # type: ignore[call-overload]


def test_positions_of_a_connection_that_is_gone_are_not_told() -> None:
    with Running() as running:
        conn, peer = running.connect()
        peer.sock.close()
        running.closed(conn)
        running.plane.positions(conn)
        other, _ = running.connect()
        assert positions(running, other) == []
        assert [event for event in running.pending if event[1] == EVENT_POSITIONS] == []
        assert running.plane.stats()["late"] == 1


@pytest.mark.clause("P12", "P1")
def test_a_rotated_log_begins_another_epoch_and_every_subscriber_crosses_into_it() -> None:
    with Running() as running:
        log = running.open_log("metrics", last_per_key=True)
        readers = []
        for delivery, start in (("all", "new"), ("latest", "snapshot"), ("all", ("last", 1))):
            conn, peer = running.connect()
            running.subscribe(conn, log, start, delivery=delivery)
            peer.subscribed()
            readers.append(peer)
        former, _ = running.append(log, entry(key="a"), entry(key="b"))
        for peer in readers:
            assert peer.offsets(2) == [1, 2]
        epoch = running.plane.rotate_log(log)
        running.plane.flush()
        info = running.plane.log_info(log)
        assert (info["epoch"], info["head"], info["entries"], info["keys"], info["bytes"]) == (epoch, 0, 0, 0, 0)
        assert former != epoch
        running.append(log, entry(b"7"))
        gap = {
            "type": "gap",
            "channel": "metrics",
            "from": f"{former}:2",
            "to": f"{epoch}:0",
            "missed": None,
            "reason": "epoch",
        }
        for peer in readers:
            assert gap == peer.message()
            event = peer.message()
            assert (event["offset"], event["data"]) == (1, 7)
        with pytest.raises(PlaneError):
            running.plane.rotate_log(log + 1)


@pytest.mark.clause("P12")
def test_rotation_under_load_mixes_no_offsets() -> None:
    with Running() as running:
        conn, peer = running.connect_tcp()
        log = running.open_log()
        running.subscribe(conn, log)
        position, _ = peer.subscribed()
        histories: dict[str, list[int]] = {}
        for turn in range(20):
            for number in range(20):
                epoch, offset = running.append(log, entry(b'[%d,"' % (100 * turn + number) + b"x" * 20_000 + b'"]'))
                histories.setdefault(epoch, []).append(100 * turn + number)
                assert offset == number + 1
            last = running.plane.rotate_log(log)
        running.plane.flush()
        epoch, at = position.split(":")[0], 0
        while (epoch, at) != (last, 0):
            message = peer.message()
            if message["type"] == "gap":
                assert message["from"] == f"{epoch}:{at}"
                epoch, at = message["to"].split(":")[0], 0
            else:
                at += 1
                assert (message["offset"], message["data"][0]) == (at, histories[epoch][at - 1])


@pytest.mark.clause("P12", "S5")
def test_latest_from_another_epoch_gets_a_gap_to_the_beginning_and_a_snapshot() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log("status", last_per_key=True, max_entries=1)
        epoch, _ = running.append(log, entry(key="a"), entry(key="b"), entry(b"null", key="c"), entry(key="a"))
        running.subscribe(conn, log, ("at", "k3Fq", 612), delivery="latest")
        assert peer.subscribed() == ("k3Fq:612", 4)
        gap = peer.message()
        assert (gap["from"], gap["to"], gap["reason"]) == ("k3Fq:612", f"{epoch}:0", "epoch")
        assert peer.offsets(2) == [2, 4]
