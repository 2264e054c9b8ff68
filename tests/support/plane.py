"""`FakePlane`: the data plane without sockets, threads and Rust, for tests of what stands above it.

The same calls and shapes as `channels._native.Plane`, over virtual connections only; delivery happens in `flush`.
Every peer reads what it gets: who does not is tested against the real plane. A shut window (S10) and a burst between
two flushes make a subscription overrun here too (S9).
"""

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, cast

from channels import _native
from channels._native import PlaneError, PlaneOverloaded, decode_entries
from tests.support.fake_log import FakeCursor, FakeLog, cap_replay

if TYPE_CHECKING:
    from channels._native import (
        Delivery,
        Encoding,
        Event,
        Filter,
        OnSlow,
        PublishBatch,
        Sieve,
        SignalBatch,
        Start,
    )
    from channels.publication import Entry

TEXT, CLOSED, OUTPUT = 1, 4, 5
POSITIONS = _native.EVENT_POSITIONS
TEXT_FRAME, CLOSE_FRAME = 1, 8
RESUME_EVENTS = 1_000
OVERRUN = 4213


@dataclass
class FakeConnection:
    """One virtual connection: what waits to be taken, and its cursors by log."""

    output: list[tuple[int, bytes]] = field(default_factory=list)
    cursors: dict[int, FakeCursor] = field(default_factory=dict)
    is_asked: int = 0
    is_closing: bool = False


@dataclass
class FakeSieve:
    """Filters on a log; what passes them is the native plane's to say: here everything does."""

    log: int
    filter: "Filter | None"
    policy: "Filter | None"
    left: int

    def unjudged(self, start: "Start") -> int:
        return self.left

    def judge(self, start: "Start") -> None:
        self.left = 0


class FakePlane:
    """See the module. `kept`: logs by channel that outlived another plane; they go on when they are opened."""

    def __init__(
        self,
        *,
        max_entries: int = 1_000_000,
        resume_events: int = RESUME_EVENTS,
        kept: Mapping[str, FakeLog] | None = None,
        epochs: Iterator[int] | None = None,
    ) -> None:
        self.max_entries = max_entries
        self.resume_events = resume_events
        self.kept = dict(kept or {})
        self._epochs = count(1) if epochs is None else epochs
        self.logs: dict[int, FakeLog] = {}
        self.connections: dict[int, FakeConnection] = {}
        self.unjudged = 0
        self.is_full = False
        self.sieves: dict[tuple[int, int], Any] = {}
        self.notes: deque[tuple[int, str, str]] = deque(maxlen=1_000)
        self.flushes = 0
        self.is_stopped = False
        self._numbers = count(1)
        self._events: list[Event] = []
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def start(self) -> None:
        self.is_stopped = False

    def stop(self, timeout: float = 5.0) -> bool:
        if not self.is_stopped:
            self.is_stopped = True
            os.close(self._fd)
        return True

    def wakeup_fd(self) -> int:
        return self._fd

    def drain(self, max_events: int = 4096) -> "list[Event]":
        events, self._events = self._events[:max_events], self._events[max_events:]
        if not self._events and events:
            os.eventfd_read(self._fd)
        return events

    # connections

    def attach_virtual(self, *, encoding: "Encoding" = "json", max_message: int | None = None) -> int:
        if encoding != "json":
            raise PlaneError("expected encoding json: the double speaks no other")
        conn = next(self._numbers)
        self.connections[conn] = FakeConnection()
        return conn

    def feed(self, conn: int, data: bytes, *, binary: bool) -> bool:
        self._tell(conn, TEXT, data, None)
        return True

    def feed_close(self, conn: int, code: int = 1005, reason: str = "") -> None:
        connection = self.connections.pop(conn, None)
        if connection is not None and not connection.is_closing:
            self._tell(conn, CLOSED, (code, reason), "lost" if code == 1006 else "peer")

    def take_output(self, conn: int, max_bytes: int = 65_536) -> list[tuple[int, bytes]]:
        connection = self.connections.get(conn)
        if connection is None:
            return []
        taken, connection.output = connection.output, []
        return taken

    def send(self, conn: int, data: bytes) -> None:
        self._put(conn, TEXT_FRAME, data)

    def send_many(self, messages: Sequence[tuple[int, bytes]]) -> None:
        for conn, data in messages:
            self.send(conn, data)

    def close(self, conn: int, code: int, reason: str, cause: str = "local") -> None:
        connection = self.connections.get(conn)
        if connection is None or connection.is_closing:
            return
        self._put(conn, CLOSE_FRAME, code.to_bytes(2, "big") + reason.encode())
        connection.is_closing = True
        connection.cursors.clear()
        self._tell(conn, CLOSED, (code, reason), cause)

    def close_all(self, code: int, reason: str) -> None:
        for conn in list(self.connections):
            self.close(conn, code, reason)

    def set_max_message(self, conn: int, max_message: int) -> None:
        """Nothing is measured here."""

    def accept(self, conn: int, encodings: Sequence[str]) -> None:
        """Nothing here is encoded."""

    def flush(self) -> None:
        self.flushes += 1
        for conn, connection in list(self.connections.items()):
            for log in sorted(connection.cursors):
                if log in connection.cursors:  # an overrun may have closed it meanwhile
                    self._feed_cursor(conn, connection, log)
            for _ in range(connection.is_asked):
                self._tell(conn, POSITIONS, self._positions(connection), None)
            connection.is_asked = 0

    # logs and cursors

    def open_log(
        self,
        channel: str,
        *,
        seconds: float,
        max_bytes: int,
        max_entries: int | None = None,
        last_per_key: bool = False,
        max_keys: int = 100_000,
        durable: bool = False,
    ) -> int:
        if durable:
            raise PlaneError("expected a log in memory: the double keeps nothing on disk")
        if self.is_stopped or any(log.channel == channel for log in self.logs.values()):
            raise PlaneError(f"expected a channel whose log is not open on a running plane, came {channel!r}")
        number = next(self._numbers)
        most = self.max_entries if max_entries is None else max_entries
        kept = self.kept.pop(channel, None)
        self.logs[number] = kept or FakeLog(channel, self._epoch(), seconds, max_bytes, most, last_per_key)
        return number

    def close_log(self, log: int) -> None:
        self._log(log)
        del self.logs[log]
        for connection in self.connections.values():
            connection.cursors.pop(log, None)

    def direct_counts(self) -> tuple[int, int]:
        """Every publish comes to Python."""
        return 0, 0

    def close_log_if_empty(self, log: int) -> bool:
        is_empty = not self.log_info(log)["entries"]
        if is_empty:
            self.close_log(log)
        return is_empty

    def recovered_marks(self, log: int) -> list[tuple[int, float, bytes]]:
        return []

    def recovery_notes(self, log: int) -> "list[tuple[Literal['torn', 'power_loss', 'damage', 'apart'], str]]":
        return []

    def durable_channels(self) -> list[str]:
        return []

    def leave_durable_log(self, channel: str) -> None:
        raise PlaneError(f"{channel} is not kept here")

    def append(
        self, log: int, entries: "Sequence[Entry]", ts: float, marks: Sequence[bytes | None] | None = None
    ) -> tuple[str, int]:
        target = self._log(log)
        first = target.head + 1
        for entry in entries:
            target.append(entry, ts)
        return target.epoch, first

    def append_signals(self, log: int, batch: "SignalBatch", ts: float) -> tuple[str, int]:
        return self.append(log, [_entry_of(text) for text in batch.encode()], ts)

    def append_publishes(self, log: int, batch: "PublishBatch", ts: float) -> tuple[str, int]:
        return self.append(log, [one[:6] for one in decode_entries(b"".join(batch.encode_entries(ts)))], ts)

    def subscribe(
        self,
        conn: int,
        specs: "Sequence[tuple[int, Delivery, OnSlow, float | None, Start, bool, int | None, Sieve | None]]",
        reply: Sequence[bytes] | None,
    ) -> None:
        logs = [self._log(spec[0]) for spec in specs]
        connection = self.connections.get(conn)
        self.sieves.update({(conn, spec[0]): spec[7] for spec in specs})
        if connection is None or connection.is_closing or reply is None:
            return  # a late command is a no-op, and what passes is not known here
        openings = {
            number: log.opening(start, is_latest=delivery == "latest")
            for (number, delivery, _, _, start, keep, _, _), log in zip(specs, logs, strict=True)
            if not (keep and number in connection.cursors)
        }
        counted = {spec[0] for spec in specs if spec[1] == "all"}
        cap_replay([one for number, one in openings.items() if one.is_capped and number in counted], self.resume_events)
        message = reply[0]
        for (number, delivery, on_slow, _, start, _, window, _), log, part in zip(specs, logs, reply[1:], strict=True):
            if number in openings:
                opening = openings[number]
                (epoch, offset), behind = opening.told, opening.behind
                connection.cursors[number] = FakeCursor(
                    opening.after,
                    on_slow,
                    is_latest=delivery == "latest",
                    is_due_round=delivery == "latest",
                    is_due_snapshot=start == "snapshot",
                    window=window,
                    acked=opening.proven,
                )
            else:
                cursor = connection.cursors[number]
                cursor.resize(window, log.epoch)
                cursor.on_slow, cursor.is_latest = on_slow, delivery == "latest"
                epoch, offset, behind = log.epoch, cursor.offset, log.head - cursor.offset
            message += f'"position":"{epoch}:{offset}","behind":{behind}'.encode() + part
        self._put(conn, TEXT_FRAME, message)
        for opening in openings.values():
            if gap := opening.gap():
                self._put(conn, TEXT_FRAME, json.dumps(gap).encode())

    def sift(
        self, log: int, wanted: "Filter | None", policy: "Filter | None" = None, *, must: bool = False
    ) -> "Sieve | None":
        if self.is_full and not must:
            raise PlaneOverloaded("there are too many")
        if wanted is None and policy is None:
            return None
        return cast("Sieve", FakeSieve(log, wanted, policy, self.unjudged))

    def ack(self, conn: int, positions: Sequence[tuple[int, str, int]]) -> None:
        connection = self.connections.get(conn)
        if connection is None:
            return
        for number, epoch, offset in positions:
            cursor, log = connection.cursors.get(number), self._log(number)
            if cursor is None or epoch != log.epoch or offset > cursor.offset:
                continue
            if cursor.acked[0] != epoch or cursor.acked[1] < offset:
                cursor.acked = epoch, offset
                cursor.unacked = [one for one in cursor.unacked if one > offset]

    def positions(self, conn: int) -> None:
        if conn in self.connections:
            self.connections[conn].is_asked += 1

    def watermark(self, conn: int, logs: Sequence[int]) -> None:
        cursors = self.connections[conn].cursors if conn in self.connections else {}
        standing = [(self._log(log), cursors[log]) for log in logs if log in cursors]
        told = {log.channel: f"{log.epoch}:{cursor.offset}" for log, cursor in standing}
        if told:
            self._put(conn, TEXT_FRAME, json.dumps({"type": "ack", "positions": told}).encode())

    def rotate_log(self, log: int) -> str:
        found = self._log(log)
        former, found.epoch = found.epoch, self._epoch()
        found.begin(found.epoch, 0)
        for conn, connection in self.connections.items():
            cursor = connection.cursors.get(log)
            if cursor is not None:
                gap = found.gap(f"{former}:{cursor.offset}", 0, "epoch")
                cursor.offset, cursor.unacked = 0, []
                self._put(conn, TEXT_FRAME, json.dumps(gap).encode())
        return found.epoch

    def begin_log(self, log: int, epoch: str, offset: int) -> None:
        found = self._log(log)
        former, is_rotation = found.epoch, epoch != found.epoch
        if not is_rotation and offset <= found.head:
            raise ValueError(f"expected an offset above {found.head}, came {offset}")
        found.begin(epoch, offset)
        for conn, connection in self.connections.items():
            cursor = connection.cursors.get(log)
            if cursor is None:
                continue
            before = f"{former}:{cursor.offset}"
            if is_rotation:
                is_keyed = cursor.is_latest and found.last_per_key
                cursor.unacked, cursor.is_due_round, cursor.is_due_snapshot = [], is_keyed, is_keyed
                cursor.offset = 0 if is_keyed else offset
                gap = found.gap(before, cursor.offset, "epoch")
            else:
                gap = found.gap(before, offset, "retention") | {"missed": offset - cursor.offset}
                cursor.offset = offset
            self._put(conn, TEXT_FRAME, json.dumps(gap).encode())

    def apply_entries(self, log: int, epoch: str, first: int, entries: bytes) -> int:
        found = self._log(log)
        read = _native.decode_entries(entries)
        if (epoch, first) != (found.epoch, found.head + 1) or not read:
            raise ValueError(f"expected {found.epoch}:{found.head + 1}, came {epoch}:{first}")
        for entry in read:
            found.append(entry[:-1], entry[-1])
        return found.head

    def restore_newest(self, log: int, newest: Sequence[tuple[int, bytes]]) -> None:
        for offset, entry in newest:
            (one,) = _native.decode_entries(entry)
            self._log(log).restore(offset, one[:-1], one[-1])

    def unsubscribe(self, conn: int, logs: Sequence[int], reply: bytes | None = None) -> None:
        connection = self.connections.get(conn)
        if self.is_stopped:
            raise PlaneError("expected a running plane")
        if connection is None:
            return
        for log in logs:
            connection.cursors.pop(log, None)
        if reply is not None:
            self._put(conn, TEXT_FRAME, reply)

    def log_info(self, log: int) -> dict[str, object]:
        found = self._log(log)
        return {
            "channel": found.channel,
            "epoch": found.epoch,
            "head": found.head,
            "first": found.first,
            "entries": len(found.ring),
            "bytes": found.size,
            "keys": len(found.last),
            "cursors": sum(log in connection.cursors for connection in self.connections.values()),
            "appended": found.appended,
        }

    def read_log(self, log: int, after: int, limit: int = 100, policy: "Filter | None" = None) -> list[bytes]:
        return [entry[3] for entry in self._log(log).after(after)[:limit]]

    def read_newest(self, log: int, after: int = 0, limit: int = 100) -> list[bytes]:
        found = self._log(log)
        newest = found.newest_of_each_key(after) if found.last_per_key else []
        return [text for _, _, _, text in newest][:limit]

    def sweep(self, now: float) -> None:
        for log in self.logs.values():
            log.sweep(now)

    def note(self, conn: int, kind: str, text: str) -> None:
        """A record of the flight recorder."""
        self.notes.append((conn, kind, text))

    def stats(self) -> dict[str, object]:
        return {"connections": len(self.connections)}

    def connection_stats(self, conn: int) -> dict[str, object] | None:
        return {"cursors": len(self.connections[conn].cursors)} if conn in self.connections else None

    # inside

    def _log(self, log: int) -> FakeLog:
        if self.is_stopped or log not in self.logs:
            raise PlaneError(f"expected an open log of a running plane, came {log}")
        return self.logs[log]

    def _feed_cursor(self, conn: int, connection: FakeConnection, number: int) -> None:
        log, cursor = self.logs[number], connection.cursors[number]
        can_overrun = not (cursor.is_due_snapshot or (cursor.is_latest and log.last_per_key))  # S5, S13
        if can_overrun and cursor.offset < log.first - 1 and not self._overrun(conn, cursor, log):
            return
        entries = log.newest_of_each_key(cursor.offset) if cursor.is_due_round else log.after(cursor.offset)
        cursor.is_due_round = cursor.is_due_snapshot = False
        allowed = entries[: cursor.room]
        for entry in allowed:
            self._put(conn, TEXT_FRAME, entry[3])
        if cursor.window is not None:
            cursor.unacked += [entry[0] for entry in allowed]
        if len(allowed) == len(entries):
            cursor.offset = log.head
        elif allowed:
            cursor.offset = allowed[-1][0]

    def _overrun(self, conn: int, cursor: FakeCursor, log: FakeLog) -> bool:
        """S9: the next owed entry has left the log. -> whether the subscription goes on"""
        if cursor.on_slow == "close":
            self.close(conn, OVERRUN, "slow", "slow")
            return False
        after = max(log.first - 1, log.head - self.resume_events)
        gap = log.gap(f"{log.epoch}:{cursor.offset}", after, "slow") | {"missed": after - cursor.offset}
        cursor.offset = after
        self._put(conn, TEXT_FRAME, json.dumps(gap).encode())
        return True

    def _positions(self, connection: FakeConnection) -> list[tuple[int, str]]:
        return [(log, cursor.proven(self.logs[log].epoch)) for log, cursor in connection.cursors.items()]

    def _epoch(self) -> str:
        return f"e{next(self._epochs):04x}"

    def _put(self, conn: int, opcode: int, payload: bytes) -> None:
        connection = self.connections.get(conn)
        if connection is None or connection.is_closing:
            return
        connection.output.append((opcode, payload))
        if len(connection.output) == 1:
            self._tell(conn, OUTPUT, None, None)

    def _tell(self, conn: int, kind: int, a: object, b: object) -> None:
        if not self._events:
            os.eventfd_write(self._fd, 1)
        self._events.append((conn, kind, a, b))


def _entry_of(text: bytes) -> "Entry":
    signal = json.loads(text)
    tags = json.dumps(signal["tags"]).encode() if "tags" in signal else None
    trace = signal.get("traceparent"), signal.get("tracestate")
    return signal["event"], json.dumps(signal["data"]).encode(), signal.get("key"), tags, *trace
