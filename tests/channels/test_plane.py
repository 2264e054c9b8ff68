"""The plane as Python drives it: logs, cursors, answers, and how it starts and stops."""

import os
import select
import socket

import msgpack  # type: ignore[import-untyped]
import orjson
import pytest

from channels._native import EVENT_CLOSED, EVENT_TEXT, Plane, PlaneError, check_json, json_to_msgpack
from tests.support.plane_peer import Running, entry


@pytest.mark.clause("M44", "M45", "P1")
def test_an_appended_event_reaches_a_subscriber_as_the_event_message() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log("metrics")
        running.subscribe(conn, log)
        peer.subscribed()
        epoch, first = running.append(log, ("cpu", b'{"a": 1e2}', "n1", b'{"t":"v"}', "00-1", "x=1"), ts=1767225600.12)
        expected = (
            b'{"type":"event","channel":"metrics","offset":1,"event":"cpu","ts":1767225600.12,"data":{"a": 1e2},'
            b'"key":"n1","tags":{"t":"v"},"traceparent":"00-1","tracestate":"x=1"}'
        )
        assert (1, expected) == peer.payload()
        assert (running.plane.log_info(log)["epoch"], 1) == (epoch, first)


@pytest.mark.clause("M9", "M42", "M24")
def test_the_answer_tells_the_start_and_comes_before_what_follows_it() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        epoch, _ = running.append(log, *[entry()] * 5)
        running.subscribe(conn, log, ("last", 2))
        running.append(log, entry())
        assert (f"{epoch}:3", 2) == peer.subscribed()
        assert peer.offsets(3) == [4, 5, 6]


@pytest.mark.clause("M24")
def test_a_subscription_without_a_past_starts_at_the_head() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        epoch, _ = running.append(log, *[entry()] * 3)
        running.subscribe(conn, log)
        running.append(log, entry())
        assert (f"{epoch}:3", 0) == peer.subscribed()
        assert peer.offsets(1) == [4]


@pytest.mark.clause("M24", "M25")
def test_last_reaches_back_as_far_as_the_log_and_never_causes_a_gap() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log(max_entries=3)
        epoch, _ = running.append(log, *[entry()] * 5)
        running.subscribe(conn, log, ("last", 100))
        assert (f"{epoch}:2", 3) == peer.subscribed()
        assert peer.offsets(3) == [3, 4, 5]


@pytest.mark.clause("M24")
def test_since_starts_at_the_first_entry_of_that_time_whatever_the_clock_did_later() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        for ts in (10.0, 30.0, 20.0, 40.0):
            epoch, _ = running.append(log, entry(), ts=ts)
        running.subscribe(conn, log, ("since", 30.0))
        assert (f"{epoch}:1", 3) == peer.subscribed()
        assert peer.offsets(3) == [2, 3, 4]


@pytest.mark.clause("M25", "M48", "M49")
def test_a_position_that_is_no_longer_kept_starts_with_a_retention_gap() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log(max_entries=2)
        epoch, _ = running.append(log, *[entry()] * 5)
        running.subscribe(conn, log, ("at", epoch, 1))
        assert (f"{epoch}:1", 4) == peer.subscribed()
        gap = {
            "type": "gap",
            "channel": "logs",
            "from": f"{epoch}:1",
            "to": f"{epoch}:3",
            "missed": 2,
            "reason": "retention",
        }
        assert gap == peer.message()
        assert peer.offsets(2) == [4, 5]


@pytest.mark.clause("P10", "P12")
def test_a_position_of_another_epoch_starts_with_an_epoch_gap_and_everything_kept() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        epoch, _ = running.append(log, *[entry()] * 2)
        running.subscribe(conn, log, ("at", "k3Fq", 612))
        assert peer.subscribed() == ("k3Fq:612", 2)
        gap = {
            "type": "gap",
            "channel": "logs",
            "from": "k3Fq:612",
            "to": f"{epoch}:0",
            "missed": None,
            "reason": "epoch",
        }
        assert gap == peer.message()
        assert peer.offsets(2) == [1, 2]


@pytest.mark.clause("P11")
def test_a_position_beyond_the_head_is_answered_by_an_epoch_gap_to_the_head() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        epoch, _ = running.append(log, entry())
        running.subscribe(conn, log, ("at", epoch, 7))
        assert (f"{epoch}:7", 0) == peer.subscribed()
        gap = {
            "type": "gap",
            "channel": "logs",
            "from": f"{epoch}:7",
            "to": f"{epoch}:1",
            "missed": None,
            "reason": "epoch",
        }
        assert gap == peer.message()


@pytest.mark.clause("R9", "M49")
def test_one_replay_holds_the_newest_entries_of_all_its_channels_together() -> None:
    with Running(resume_events=3) as running:
        conn, peer = running.connect()
        logs = [running.open_log(name) for name in ("actions", "logs")]
        epochs = [running.append(log, entry(), ts=ts)[0] for log, ts in zip(logs, (1.0, 2.0), strict=True)]
        for log, ts in ((logs[0], 3.0), (logs[1], 4.0), (logs[1], 5.0)):
            running.append(log, entry(), ts=ts)
        starts = [("at", epoch, 0) for epoch in epochs]
        specs = [(log, "all", "gap", None, start, False) for log, start in zip(logs, starts, strict=True)]
        running.plane.subscribe(conn, specs, [b'{"a":{', b'},"b":{', b"}}"])  # type: ignore[arg-type]
        running.plane.flush()
        assert {
            "a": {"position": f"{epochs[0]}:0", "behind": 2},
            "b": {"position": f"{epochs[1]}:0", "behind": 3},
        } == peer.message()
        received = peer.messages(5)
        assert sorted(
            (message["channel"], message["offset"]) for message in received if message["type"] == "event"
        ) == [("actions", 2), ("logs", 2), ("logs", 3)]
        gaps = [message for message in received if message["type"] == "gap"]
        assert sorted((gap["channel"], gap["reason"], gap["missed"]) for gap in gaps) == [
            ("actions", "limit", 1),
            ("logs", "limit", 1),
        ]


@pytest.mark.clause("M26")
def test_subscribing_again_keeps_the_cursor_where_it_is() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        running.append(log, *[entry()] * 3)
        running.subscribe(conn, log, ("last", 1))
        peer.subscribed()
        assert peer.offsets(1) == [3]
        running.append(log, entry())
        running.subscribe(conn, log, delivery="latest", keep=True)
        running.append(log, entry())
        received = peer.messages(3)
        assert sum(message["type"] == "subscribed" for message in received) == 1
        assert [message["offset"] for message in received if message["type"] == "event"] == [4, 5]


@pytest.mark.clause("M9", "M28")
def test_after_unsubscribed_no_event_of_the_channel_comes() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        running.subscribe(conn, log)
        peer.subscribed()
        running.append(log, entry())
        running.plane.unsubscribe(conn, [log], b'{"type":"unsubscribed"}')
        running.append(log, entry())
        running.send(conn, b'{"type":"pong"}')
        received = peer.messages(2)
        if received[0]["type"] == "event":
            assert received.pop(0)["offset"] == 1
            received += peer.messages(1)
        assert received == [{"type": "unsubscribed"}, {"type": "pong"}]
        assert running.plane.log_info(log)["cursors"] == 0


@pytest.mark.clause("S5", "S6", "M24")
def test_a_snapshot_holds_the_newest_of_each_key_and_no_removed_one() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log("connections", last_per_key=True, max_entries=1)
        pairs = [
            ("a", b"1", "join"),
            ("b", b"2", "join"),
            ("a", b"3", "update"),
            ("b", b"{}", "leave"),
            ("c", b"null", "join"),
        ]
        epoch, _ = running.append(log, *[entry(data, event=event, key=key) for key, data, event in pairs])
        running.subscribe(conn, log, "snapshot", delivery="latest")
        assert (f"{epoch}:0", 5) == peer.subscribed()
        assert peer.offsets(1) == [3]
        running.append(log, entry(b"null", key="a"))
        removal = peer.message()
        assert (removal["offset"], removal["data"]) == (6, None)
        assert running.plane.log_info(log)["keys"] == 0


@pytest.mark.clause("C2", "M14", "M42")
def test_a_msgpack_connection_gets_the_same_messages_as_maps() -> None:
    with Running() as running:
        conn, peer = running.connect(encoding="msgpack")
        log = running.open_log(max_entries=1)
        epoch, _ = running.append(log, *[entry()] * 2, entry(b'{"n":[1,2.5,null]}', key="k"))
        # A map of three whose third member the plane has in two: the caller counts `position` and `behind`.
        spec = (log, "all", "gap", None, ("at", epoch, 0), False)
        running.plane.subscribe(conn, [spec], [b"\x83\xa4type\xaasubscribed", b""])  # type: ignore[arg-type]
        running.plane.flush()
        received = [msgpack.unpackb(peer.payload()[1]) for _ in range(3)]
        assert received[0] == {"type": "subscribed", "position": f"{epoch}:0", "behind": 3}
        assert (received[1]["type"], received[1]["missed"], received[1]["reason"]) == ("gap", 2, "retention")
        assert received[2]["data"] == {"n": [1, 2.5, None]}


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
            ((log, "some", "gap", None, "new", False), "delivery"),
            ((log, "all", "stop", None, "new", False), "on_slow"),
            ((log, "all", "gap", None, "old", False), "start"),
            ((log, "all", "gap", None, "snapshot", False), "snapshot"),
            ((log, "all", "gap", 5.0, "new", False), "max_rate"),
            ((log, "latest", "gap", 0.0, "new", False), "max_rate"),
        ]:
            with pytest.raises(ValueError, match=text):
                running.plane.subscribe(1, [spec], [b"", b""])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="2 parts were expected for 1 specs, 1 came"):
            running.plane.subscribe(1, [(log, "all", "gap", None, "new", False)], [b""])
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
