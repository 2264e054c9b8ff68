"""Logs whose entries get their places elsewhere: what nodes hand each other, and what subscribers see of it."""

import time
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from channels._native import PlaneError, decode_entries, encode_entries
from tests.support.plane_peer import Entry, Running, entry

TRACE = ("00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01", "a=1")
FULL = ("camera.frame", b'{"a": 1e2}', "k", b'{"t":"v"}', *TRACE)
EPOCH = "k3Fq"


def apply(running: Running, log: int, first: int, entries: Sequence[Entry], epoch: str = EPOCH, ts: float = 1.0) -> int:
    """Apply and let the I/O threads know."""
    last = running.plane.apply_entries(log, epoch, first, b"".join(encode_entries(entries, ts)))
    running.plane.flush()
    return last


def begin(running: Running, log: int, epoch: str, offset: int, newest: Sequence[tuple[int, bytes]] = ()) -> None:
    """Begin, with the newest entries of keys, and let the I/O threads know."""
    running.plane.begin_log(log, epoch, offset)
    running.plane.restore_newest(log, newest)
    running.plane.flush()


def gap(start: str, end: str, reason: str, missed: int | None = None, channel: str = "logs") -> dict[str, Any]:
    """A `gap` as its message says it."""
    return {"type": "gap", "channel": channel, "from": start, "to": end, "missed": missed, "reason": reason}


@pytest.mark.clause("N7")
def test_entries_come_back_from_their_binary_form_as_they_went_one_or_several() -> None:
    entries = [FULL, entry(b"null")]
    packed = encode_entries(entries, 1767225600.12)
    assert [(*one, 1767225600.12) for one in entries] == decode_entries(b"".join(packed))
    assert [(*FULL, 1767225600.12)] == decode_entries(packed[0])
    assert decode_entries(b"") == []
    length, version = packed[0][:4], packed[0][4]
    assert (int.from_bytes(length, "little"), version) == (len(packed[0]) - 4, 1)


@pytest.mark.clause("N7", "M44", "P1")
def test_applied_entries_reach_subscribers_under_the_places_and_times_they_have() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        begin(running, log, EPOCH, 41)
        running.subscribe(conn, log)
        assert (f"{EPOCH}:41", 0) == peer.subscribed()
        assert apply(running, log, 42, [FULL, entry()], ts=7.25) == 43
        assert apply(running, log, 44, []) == 43
        expected = (
            b'{"type":"event","channel":"logs","offset":42,"event":"camera.frame","ts":7.25,"data":{"a": 1e2},'
            b'"key":"k","tags":{"t":"v"},"traceparent":"' + TRACE[0].encode() + b'","tracestate":"a=1"}'
        )
        assert (1, expected) == peer.payload()
        assert peer.offsets(1) == [43]
        info = running.plane.log_info(log)
        assert (info["epoch"], info["head"], info["first"], info["appended"]) == (EPOCH, 43, 42, 2)


@pytest.mark.clause("N7")
def test_entries_that_do_not_follow_the_head_are_refused_and_nothing_changes() -> None:
    with Running() as running:
        log = running.open_log()
        begin(running, log, EPOCH, 5)
        good = encode_entries([entry()], 1.0)[0]
        for epoch, first in [(EPOCH, 5), (EPOCH, 7), ("t0aZ", 6)]:
            with pytest.raises(ValueError, match=f"{EPOCH}:6 was expected, {epoch}:{first} came"):
                running.plane.apply_entries(log, epoch, first, good)
        with pytest.raises(ValueError, match="entry 1: expected more bytes"):
            running.plane.apply_entries(log, EPOCH, 6, good + good[:-1])
        info = running.plane.log_info(log)
        assert (info["head"], info["entries"]) == (5, 0)


@pytest.mark.clause("N17", "M10", "M13", "M16", "M17")
@pytest.mark.parametrize(
    "bad",
    [
        ("a b", b"1", None, None, None, None),
        ("e", b"{", None, None, None, None),
        ("e", b"\xff", None, None, None, None),
        ("e", b'"\\ud800"', None, None, None, None),
        ("e", b"18446744073709551616", None, None, None, None),
        ("e", b'1,"type":"gap"', None, None, None, None),
        ("e", b"[" * 33 + b"]" * 33, None, None, None, None),
        ("e", b"1", "", None, None, None),
        ("e", b"1", "a\x85", None, None, None),
        ("e", b"1", None, b"[]", None, None),
        ("e", b"1", None, b'{"t":1}', None, None),
        ("e", b"1", None, b'{"t":"a","t":"b"}', None, None),
        ("e", b"1", None, b'{"t":"' + b"x" * 257 + b'"}', None, None),
        ("e", b"1", None, None, "00-1", None),
        ("e", b"1", None, None, None, "a=1"),
    ],
)
def test_what_would_break_the_stream_of_subscribers_is_made_by_nobody_and_taken_by_nobody(bad: Any) -> None:
    with pytest.raises(ValueError, match="entry 1: "):
        encode_entries([entry(), bad], 1.0)


@pytest.mark.clause("N17")
def test_every_cut_and_every_flipped_bit_is_refused_or_still_an_entry() -> None:
    whole = encode_entries([FULL], 1.0)[0]
    for end in range(1, len(whole)):
        with pytest.raises(ValueError, match="entry 0"):
            decode_entries(whole[:end])
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            (found,) = decode_entries(bytes(changed))
        except ValueError:
            continue
        assert decode_entries(encode_entries([found[:-1]], found[-1])[0]) == [found]


@pytest.mark.clause("N8", "P12")
@pytest.mark.parametrize("delivery", ["all", "latest"])
def test_another_epoch_is_crossed_by_one_gap_to_where_the_log_stands(delivery: str) -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        former, _ = running.append(log, entry(), entry())
        running.subscribe(conn, log, ("last", 1), delivery=delivery)
        peer.subscribed()
        assert peer.offsets(1) == [2]
        begin(running, log, EPOCH, 612)
        assert gap(f"{former}:2", f"{EPOCH}:612", "epoch") == peer.message()
        apply(running, log, 613, [entry(), entry()])
        assert peer.offsets(2) == [613, 614]


@pytest.mark.clause("N8", "M48", "M49")
@pytest.mark.parametrize("on_slow", ["gap", "close"])
def test_a_hole_that_cannot_be_filled_is_one_gap_of_reason_retention(on_slow: str) -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log()
        begin(running, log, EPOCH, 10)
        running.subscribe(conn, log, on_slow=on_slow)
        peer.subscribed()
        apply(running, log, 11, [entry()])
        assert peer.offsets(1) == [11]
        begin(running, log, EPOCH, 40)
        assert gap(f"{EPOCH}:11", f"{EPOCH}:40", "retention", 29) == peer.message()
        apply(running, log, 41, [entry()])
        assert peer.offsets(1) == [41]
        begin(running, log, EPOCH, 41)
        assert running.plane.log_info(log)["entries"] == 1
        with pytest.raises(ValueError, match=f"a position from {EPOCH}:41 on was expected, {EPOCH}:40 came"):
            running.plane.begin_log(log, EPOCH, 40)


@pytest.mark.clause("N13", "P12", "S5", "S13")
def test_latest_gets_the_newest_entry_of_each_key_behind_one_gap() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log("status", last_per_key=True)
        former, _ = running.append(log, entry(key="a"))
        running.subscribe(conn, log, "snapshot", delivery="latest")
        peer.subscribed()
        assert peer.offsets(1) == [1]
        packed = encode_entries([entry(key=key) for key in "abc"], 1.0)
        running.plane.begin_log(log, EPOCH, 40)
        running.plane.apply_entries(log, EPOCH, 41, packed[1])
        running.plane.restore_newest(log, [(7, packed[0]), (9, packed[1]), (30, packed[2])])
        running.plane.flush()
        assert gap(f"{former}:1", f"{EPOCH}:0", "epoch", channel="status") == peer.message()
        assert peer.offsets(3) == [7, 30, 41]
        assert running.plane.log_info(log)["keys"] == 3


@pytest.mark.clause("N13")
def test_newest_entries_that_have_no_place_are_refused() -> None:
    with Running() as running:
        log = running.open_log("status", last_per_key=True)
        begin(running, log, EPOCH, 40)
        good = encode_entries([entry(key="a")], 1.0)[0]
        for offsets in [(0,), (41,), (7, 7), (8, 7)]:
            with pytest.raises(ValueError, match="rising offsets from 1 to 40 were expected"):
                running.plane.restore_newest(log, [(offset, good) for offset in offsets])
        for bad, text in [(good[:-1], "entry 0: expected more"), (good * 2, "no more"), (b"", "more bytes")]:
            with pytest.raises(ValueError, match=text):
                running.plane.restore_newest(log, [(7, bad)])
        assert running.plane.log_info(log)["keys"] == 0


@pytest.mark.clause("P1", "P2")
def test_places_are_bounded_and_named_as_the_protocol_says() -> None:
    with Running() as running:
        log = running.open_log()
        for epoch, offset in [("abc", 1), ("a" * 17, 1), ("ab:d", 1), (EPOCH, -1), (EPOCH, 1 << 53), (EPOCH, 1 << 70)]:
            with pytest.raises(ValueError, match="was expected"):
                running.plane.begin_log(log, epoch, offset)
        begin(running, log, EPOCH, (1 << 53) - 2)
        with pytest.raises(ValueError, match=r"below 2\^53"):
            apply(running, log, (1 << 53) - 1, [entry()] * 2)
        assert apply(running, log, (1 << 53) - 1, [entry()]) == (1 << 53) - 1
        for ts in (float("nan"), float("inf"), 1e16):
            with pytest.raises(ValueError, match="ts"):
                encode_entries([entry()], ts)


def test_a_durable_log_gives_its_places_itself(tmp_path: Any) -> None:
    with Running(data_dir=tmp_path) as running:
        log = running.open_log(durable=True)
        for call in (
            lambda: running.plane.begin_log(log, EPOCH, 1),
            lambda: running.plane.apply_entries(log, EPOCH, 1, b""),
            lambda: running.plane.restore_newest(log, []),
        ):
            with pytest.raises(PlaneError, match="logs is durable"):
                call()


@pytest.mark.clause("M25", "S12")
def test_a_clock_that_is_ahead_keeps_no_log_from_letting_go_and_hides_nothing_from_since() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log(seconds=300.0)
        begin(running, log, EPOCH, 0)
        now = time.time()
        apply(running, log, 1, [entry()], ts=9e15)
        apply(running, log, 2, [entry()], ts=now)
        running.subscribe(conn, log, ("since", now + 100.0))
        assert (f"{EPOCH}:2", 0) == peer.subscribed()
        assert orjson.loads(running.plane.read_log(log, 0)[0])["ts"] == 9e15
        running.plane.sweep(now + 100.0)
        assert running.plane.log_info(log)["entries"] == 2
        running.plane.sweep(now + 370.0)
        assert running.plane.log_info(log)["entries"] == 0
        running.subscribe(conn, log, ("since", now + 100.0))
        assert (f"{EPOCH}:2", 0) == peer.subscribed()


@pytest.mark.clause("N7")
def test_a_clock_that_is_behind_loses_nothing_before_it_could_be_read() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.open_log(seconds=300.0)
        begin(running, log, EPOCH, 0)
        running.subscribe(conn, log)
        peer.subscribed()
        now = time.time()
        for first in range(1, 4):
            running.plane.apply_entries(log, EPOCH, first, encode_entries([entry()], now - 4_000.0)[0])
        running.plane.sweep(now)
        running.plane.flush()
        assert peer.offsets(3) == [1, 2, 3]
        running.plane.sweep(now + 1.0)
        assert running.plane.log_info(log)["entries"] == 0
