"""`FakePlane` against the native plane: the same scripts over both, and what comes out on each connection is the same.

What stands above the plane is tested on the double, the recovery machine among it; here the double is held to the real
thing. Left out is what the double does not do: filters, paces, bytes, peers that do not read, conflation behind a shut
window, entries that come from elsewhere, and bursts that a log cannot hold between two turns, where the native plane
sends from its views what the log let go.
"""

import json
import os
import select
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels._native import EVENT_CLOSED, EVENT_POSITIONS, Plane
from tests.support.plane import FakePlane

CHANNELS = ("a", "b")
CONNECTIONS = 2
EXAMPLES = int(os.environ.get("NG_PLANE_EXAMPLES", "150"))
SECONDS = 6.0
"""How long the logs keep entries, where a script's clock moves by one with each step."""
PATIENCE = 10.0
TEXT_FRAME, CLOSE_FRAME = 1, 8

Step = tuple[Any, ...]


class Driver:
    """One plane that is led through a script. Epochs are told by the order in which they began."""

    def __init__(self, plane: Any, *, max_entries: int, keeps_keys: bool) -> None:
        self.plane = plane
        self.now = 1_000.0
        self._keeps_keys = keeps_keys
        self._epochs: dict[str, dict[str, str]] = {channel: {} for channel in CHANNELS}
        self._conns = [plane.attach_virtual() for _ in range(CONNECTIONS)]
        self._closed: set[int] = set()
        self._standing: dict[int, Any] = {}
        self._logs = {
            channel: plane.open_log(
                channel, seconds=SECONDS, max_bytes=1 << 20, max_entries=max_entries, last_per_key=keeps_keys
            )
            for channel in CHANNELS
        }
        for channel in CHANNELS:
            self._know(channel)

    def run(self, step: Step) -> Any:
        """One step, and all that follows of it. -> what came out, and how everything stands"""
        self.now += 1.0
        name, *rest = step
        getattr(self, name)(*rest)
        self.plane.flush()
        came = [self._came(conn, hears_acks=name == "watermark") for conn in self._conns]
        return came, [self._stands(channel) for channel in CHANNELS]

    # -- steps -------------------------------------------------------------------------------------------------------

    def append(self, channel: str, keys: list[str | None]) -> None:
        entries = [("e", str(number).encode(), key, None, None, None) for number, key in enumerate(keys)]
        self.plane.append(self._logs[channel], entries, self.now)

    def subscribe(self, who: int, channels: list[str], options: tuple[Any, ...], start: Any, keep: bool) -> None:
        delivery, on_slow, window = options
        begin = "new" if start == "snapshot" and delivery == "all" else start
        specs = [
            (self._logs[channel], delivery, on_slow, None, self._start(channel, begin), keep, window, None)
            for channel in channels
        ]
        parts = [b'{"type":"subscribed","channels":{']
        for channel in channels:
            parts[-1] += b'"' + channel.encode() + b'":{'
            parts.append(b"},")
        parts[-1] = b"}}}"
        self.plane.subscribe(self._conns[who], specs, parts)

    def unsubscribe(self, who: int, channels: list[str]) -> None:
        reply = json.dumps({"type": "unsubscribed", "channels": channels}).encode()
        self.plane.unsubscribe(self._conns[who], [self._logs[channel] for channel in channels], reply)

    def ack(self, who: int, channel: str, epochs_back: int, offset: int) -> None:
        self.plane.ack(self._conns[who], [(self._logs[channel], self._epoch(channel, epochs_back), offset)])

    def watermark(self, who: int, channels: list[str]) -> None:
        self.plane.watermark(self._conns[who], [self._logs[channel] for channel in channels])

    def sweep(self, seconds: float) -> None:
        self.now += seconds
        self.plane.sweep(self.now)

    def rotate(self, channel: str) -> None:
        self.plane.rotate_log(self._logs[channel])
        self._know(channel)

    def begin(self, channel: str, is_anew: bool, offset: int) -> None:
        """The log stands where another node has come to; one that keeps keys would be filled at once."""
        epoch = f"elsewhere{len(self._epochs[channel])}" if is_anew else self._epoch(channel, 0)
        if not self._keeps_keys and (is_anew or offset > int(str(self.plane.log_info(self._logs[channel])["head"]))):
            self.plane.begin_log(self._logs[channel], epoch, offset)
            self._know(channel)

    def leave(self, who: int) -> None:
        """The peer is gone, and another comes in its place."""
        self.plane.feed_close(self._conns[who], 1000, "")
        self._conns[who] = self.plane.attach_virtual()

    # -- what comes of it --------------------------------------------------------------------------------------------

    def _stands(self, channel: str) -> dict[str, Any]:
        info = self.plane.log_info(self._logs[channel])
        told = {name: info[name] for name in ("head", "first", "entries", "keys", "cursors")}
        return told | {"epoch": self._epochs[channel][str(info["epoch"])]}

    def _came(self, conn: int, *, hears_acks: bool) -> Any:
        """What a connection was given, each channel in its order, and where its cursors stand."""
        found: dict[str, list[Any]] = defaultdict(list)
        if conn not in self._closed:
            self._take(conn, found, hears_acks=hears_acks)
        if conn not in self._closed:
            # Behind a shut window the plane finds an overrun when it next looks at the connection, the double at once.
            self.plane.watermark(conn, list(self._logs.values()))
            self._take(conn, found, hears_acks=False)
        return dict(found), {} if conn in self._closed else self._standing[conn]

    def _take(self, conn: int, found: dict[str, list[Any]], *, hears_acks: bool) -> None:
        """Watermarks that were not asked for are a matter of real time (P9)."""
        self._standing.pop(conn, None)
        self.plane.positions(conn)
        self.plane.flush()
        for opcode, payload in self._output(conn):
            if opcode == CLOSE_FRAME:
                self._closed.add(conn)
                self.plane.feed_close(conn, 1000, "")
                found[""].append(("close", int.from_bytes(payload[:2], "big")))
                return
            message = json.loads(payload)
            if hears_acks or message["type"] != "ack":
                for channel, item in self._read(message):
                    found[channel].append(item)

    def _output(self, conn: int) -> Iterator[tuple[int, bytes]]:
        deadline = time.monotonic() + PATIENCE
        while True:
            self._drain()
            is_answered = conn in self._standing
            taken = self.plane.take_output(conn)
            yield from taken
            if is_answered and not taken:
                return
            if not taken:
                left = max(0.0, deadline - time.monotonic())
                ready, _, _ = select.select([self.plane.wakeup_fd()], [], [], left)
                assert ready, f"connection {conn} was told nothing within {PATIENCE} s"

    def _drain(self) -> None:
        for conn, kind, detail, _ in self.plane.drain():
            if kind == EVENT_POSITIONS:
                names = {log: channel for channel, log in self._logs.items()}
                self._standing[conn] = {names[log]: self._named(names[log], text) for log, text in detail}
            elif kind == EVENT_CLOSED:
                self._standing.setdefault(conn, {})

    def _read(self, message: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        match message["type"]:
            case "subscribed":
                for channel, told in message["channels"].items():
                    yield channel, ("subscribed", self._named(channel, told["position"]), told["behind"])
            case "unsubscribed":
                for channel in message["channels"]:
                    yield channel, "unsubscribed"
            case "ack":
                for channel, text in message["positions"].items():
                    yield channel, ("ack", self._named(channel, text))
            case "gap":
                channel = message["channel"]
                ends = self._named(channel, message["from"]), self._named(channel, message["to"])
                yield channel, ("gap", *ends, message["missed"], message["reason"])
            case "event":
                yield message["channel"], message

    # -- epochs ------------------------------------------------------------------------------------------------------

    def _know(self, channel: str) -> None:
        known = self._epochs[channel]
        epoch = str(self.plane.log_info(self._logs[channel])["epoch"])
        known.setdefault(epoch, f"epoch {len(known)}")

    def _named(self, channel: str, text: str) -> str:
        epoch, _, offset = text.partition(":")
        return f"{self._epochs[channel].get(epoch, epoch)}:{offset}"

    def _epoch(self, channel: str, back: int) -> str:
        """The epoch so many before the present one; one that never was where there are fewer."""
        known = list(self._epochs[channel])
        return known[-1 - back] if back < len(known) else "never"

    def _start(self, channel: str, start: Any) -> Any:
        match start:
            case ("at", int(back), int(offset)):
                return "at", self._epoch(channel, back), offset
            case ("since", float(ago)):
                return "since", self.now - ago
        return start


@contextmanager
def both(resume_events: int, max_entries: int, *, keeps_keys: bool) -> Iterator[tuple[Driver, Driver]]:
    planes = FakePlane(resume_events=resume_events), Plane(resume_events=resume_events, flush_ms=0.0, close_wait=0.1)
    try:
        for plane in planes:
            plane.start()
        fake, real = (Driver(plane, max_entries=max_entries, keeps_keys=keeps_keys) for plane in planes)
        yield fake, real
    finally:
        for plane in planes:
            plane.stop()


CHANNEL = st.sampled_from(CHANNELS)
SOME_CHANNELS = st.lists(CHANNEL, min_size=1, max_size=2, unique=True)
WHO = st.integers(0, CONNECTIONS - 1)
KEYS = st.lists(st.sampled_from([None, "k", "l"]), min_size=1, max_size=3)
OFFSETS = st.integers(0, 9)
STARTS = st.one_of(
    st.sampled_from(["new", "snapshot"]),
    st.tuples(st.just("last"), st.integers(1, 6)),
    st.tuples(st.just("since"), st.sampled_from([0.0, 1.0, 3.0, 20.0])),
    st.tuples(st.just("at"), st.integers(0, 2), OFFSETS),
)
ON_SLOW = st.sampled_from(["gap", "gap", "close"])
OPTIONS = st.one_of(
    st.tuples(st.just("all"), ON_SLOW, st.none() | st.integers(1, 4)), st.tuples(st.just("latest"), ON_SLOW, st.none())
)
STEPS = st.one_of(
    st.tuples(st.just("append"), CHANNEL, KEYS),
    st.tuples(st.just("append"), CHANNEL, KEYS),
    st.tuples(st.just("subscribe"), WHO, SOME_CHANNELS, OPTIONS, STARTS, st.booleans()),
    st.tuples(st.just("subscribe"), WHO, SOME_CHANNELS, OPTIONS, STARTS, st.booleans()),
    st.tuples(st.just("ack"), WHO, CHANNEL, st.sampled_from([0, 0, 1]), OFFSETS),
    st.tuples(st.just("unsubscribe"), WHO, SOME_CHANNELS),
    st.tuples(st.just("watermark"), WHO, SOME_CHANNELS),
    st.tuples(st.just("sweep"), st.sampled_from([0.0, 2.0, 5.0])),
    st.tuples(st.just("rotate"), CHANNEL),
    st.tuples(st.just("begin"), CHANNEL, st.booleans(), st.integers(1, 12)),
    st.tuples(st.just("leave"), WHO),
)


@pytest.mark.clause("P3", "P10", "P11", "P12", "M9", "M24", "M25", "M26", "M36", "R9", "S3", "S5", "S9", "S10")
@pytest.mark.timeout(0)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=st.lists(STEPS, max_size=25),
    resume_events=st.sampled_from([2, 4, 1_000]),
    max_entries=st.sampled_from([4, 6, 1_000]),
    keeps_keys=st.booleans(),
)
def test_what_comes_out_of_the_double_is_what_comes_out_of_the_plane(
    script: list[Step], resume_events: int, max_entries: int, keeps_keys: bool
) -> None:
    with both(resume_events, max_entries, keeps_keys=keeps_keys) as (fake, real):
        for step in script:
            assert fake.run(step) == real.run(step), step
