"""Cursors of the plane: where they start, what is told first, and what then comes."""

import msgpack  # type: ignore[import-untyped]
import pytest

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
        specs = [(log, "all", "gap", None, start, False, None, None) for log, start in zip(logs, starts, strict=True)]
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
        received = [peer.message()]
        while received[-1]["type"] != "pong":
            received.append(peer.message())
        # What was appended before the thread heard of the wish may still come, but not after the answer to it.
        assert [message["type"] for message in received[-2:]] == ["unsubscribed", "pong"]
        assert {message["type"] for message in received[:-2]} <= {"event"}
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
        spec = (log, "all", "gap", None, ("at", epoch, 0), False, None, None)
        running.plane.subscribe(conn, [spec], [b"\x83\xa4type\xaasubscribed", b""])  # type: ignore[list-item]
        running.plane.flush()
        received = [msgpack.unpackb(peer.payload()[1]) for _ in range(3)]
        assert received[0] == {"type": "subscribed", "position": f"{epoch}:0", "behind": 3}
        assert (received[1]["type"], received[1]["missed"], received[1]["reason"]) == ("gap", 2, "retention")
        assert received[2]["data"] == {"n": [1, 2.5, None]}
