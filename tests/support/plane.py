"""`FakePlane`: the data plane without sockets, threads and Rust, for tests of what stands above it.

The same calls and shapes as `channels._native.Plane`, over virtual connections only; delivery happens in `flush`.
Nobody is slow here: what depends on a reader that does not read is tested against the real plane.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from channels import _native
from channels._native import PlaneError

if TYPE_CHECKING:
    from channels._native import Delivery, Encoding, Event, OnSlow, SignalBatch, Start
    from channels.publication import Entry

TEXT, CLOSED, OUTPUT = 1, 4, 5
POSITIONS = _native.EVENT_POSITIONS
TEXT_FRAME, CLOSE_FRAME = 1, 8


@dataclass
class FakeLog:
    """One log: entries as (offset, ts, key or None, JSON of the event message), oldest first."""

    channel: str
    epoch: str
    seconds: float
    max_bytes: int
    max_entries: int
    last_per_key: bool
    head: int = 0
    size: int = 0
    appended: int = 0
    ring: list[tuple[int, float, str, bytes]] = field(default_factory=list)
    last: dict[str, tuple[int, float, str, bytes]] = field(default_factory=dict)

    @property
    def first(self) -> int:
        return self.ring[0][0] if self.ring else self.head + 1

    def append(self, entry: "Entry", ts: float) -> None:
        event, data, key, tags, traceparent, tracestate = entry
        self.head += 1
        self.appended += 1
        message: dict[str, Any] = {
            "type": "event",
            "channel": self.channel,
            "offset": self.head,
            "event": event,
            "ts": ts,
            "data": json.loads(data),
        }
        optional = {"key": key, "traceparent": traceparent, "tracestate": tracestate}
        message |= {name: value for name, value in optional.items() if value is not None}
        if tags is not None:
            message["tags"] = json.loads(tags)
        kept = (self.head, ts, key or event, json.dumps(message, separators=(",", ":")).encode())
        self.ring.append(kept)
        self.size += len(kept[3])
        if self.last_per_key:
            self.last.pop(kept[2], None)
            leaves = event == "leave" and (self.channel == "connections" or self.channel.endswith("/presence"))
            if data != b"null" and not leaves:
                self.last[kept[2]] = kept
        while self.size > self.max_bytes or len(self.ring) > self.max_entries:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        self.size -= len(self.ring.pop(0)[3])

    def sweep(self, now: float) -> None:
        while self.ring and self.ring[0][1] < now - self.seconds:
            self.drop_oldest()

    def after(self, offset: int) -> list[tuple[int, float, str, bytes]]:
        return [entry for entry in self.ring if entry[0] > offset]

    def newest_of_each_key(self) -> list[tuple[int, float, str, bytes]]:
        newest = self.last if self.last_per_key else {entry[2]: entry for entry in self.ring}
        return sorted(newest.values())

    def start(self, start: "Start") -> int:
        match start:
            case "new":
                return self.head
            case "snapshot":
                return 0
            case ("last", int(n)):
                return max(self.head - n, self.first - 1, 0)
            case ("since", ts):
                return next((entry[0] - 1 for entry in self.ring if entry[1] >= ts), self.head)
            case (_, _, int(offset)):
                return offset
        raise AssertionError(start)

    def opening(self, start: "Start") -> tuple[str, int, dict[str, Any] | None]:
        """Where a subscription starts: the position told, the offset delivered after, the gap between (P10, P11)."""
        match start:
            case ("at", str(epoch), int(offset)):
                pass
            case _:
                offset = self.start(start)
                return f"{self.epoch}:{offset}", offset, None
        if epoch == self.epoch and self.first - 1 <= offset <= self.head:
            return f"{epoch}:{offset}", offset, None
        is_lost = epoch == self.epoch and offset < self.first
        after = self.head if epoch == self.epoch and not is_lost else self.first - 1
        gap = self.gap(f"{epoch}:{offset}", after, "retention" if is_lost else "epoch")
        return f"{epoch}:{offset}", after, gap | {"missed": after - offset if is_lost else None}

    def gap(self, start: str, after: int, reason: str) -> dict[str, Any]:
        return {
            "type": "gap",
            "channel": self.channel,
            "from": start,
            "to": f"{self.epoch}:{after}",
            "missed": None,
            "reason": reason,
        }


@dataclass
class FakeCursor:
    """Where a subscription stands, and what of it may not be sent yet (S10)."""

    offset: int
    is_due_snapshot: bool = False
    window: int | None = None
    acked: int = 0
    unacked: list[int] = field(default_factory=list)

    @property
    def room(self) -> int | None:
        return None if self.window is None else max(0, self.window - len(self.unacked))

    @property
    def proven(self) -> int:
        """What a token may tell: with a window only what was acknowledged."""
        return self.offset if self.window is None else self.acked


@dataclass
class FakeConnection:
    """One virtual connection: what waits to be taken, and its cursors by log."""

    output: list[tuple[int, bytes]] = field(default_factory=list)
    cursors: dict[int, FakeCursor] = field(default_factory=dict)
    is_asked: int = 0
    is_closing: bool = False


class FakePlane:
    """See the module."""

    def __init__(self) -> None:
        self.logs: dict[int, FakeLog] = {}
        self.connections: dict[int, FakeConnection] = {}
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
        if self.connections.pop(conn, None) is not None:
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

    def close(self, conn: int, code: int, reason: str) -> None:
        self._put(conn, CLOSE_FRAME, code.to_bytes(2, "big") + reason.encode())
        if conn in self.connections:
            self.connections[conn].is_closing = True
            self._tell(conn, CLOSED, (code, reason), "local")

    def close_all(self, code: int, reason: str) -> None:
        for conn in list(self.connections):
            self.close(conn, code, reason)

    def set_max_message(self, conn: int, max_message: int) -> None:
        """Nothing is measured here."""

    def flush(self) -> None:
        self.flushes += 1
        for conn, connection in list(self.connections.items()):
            for log in sorted(connection.cursors):
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
        max_entries: int = 1_000_000,
        last_per_key: bool = False,
        max_keys: int = 100_000,
        durable: bool = False,
    ) -> int:
        if durable:
            raise PlaneError("expected a log in memory: the double keeps nothing on disk")
        if self.is_stopped or any(log.channel == channel for log in self.logs.values()):
            raise PlaneError(f"expected a channel whose log is not open on a running plane, came {channel!r}")
        number = next(self._numbers)
        self.logs[number] = FakeLog(channel, f"e{number:04x}", seconds, max_bytes, max_entries, last_per_key)
        return number

    def close_log(self, log: int) -> None:
        self._log(log)
        del self.logs[log]
        for connection in self.connections.values():
            connection.cursors.pop(log, None)

    def recovered_marks(self, log: int) -> list[tuple[int, float, bytes]]:
        return []

    def recovery_notes(self, log: int) -> "list[tuple[Literal['torn', 'power_loss', 'damage'], str]]":
        return []

    def durable_channels(self) -> list[str]:
        return []

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

    def subscribe(
        self,
        conn: int,
        specs: "Sequence[tuple[int, Delivery, OnSlow, float | None, Start, bool, int | None]]",
        reply: Sequence[bytes],
    ) -> None:
        logs = [self._log(spec[0]) for spec in specs]
        connection = self.connections.get(conn)
        if connection is None or connection.is_closing:
            return  # a late command is a no-op
        message, gaps = reply[0], []
        for (number, delivery, _, _, start, keep, window), log, part in zip(specs, logs, reply[1:], strict=True):
            if keep and number in connection.cursors:
                cursor = connection.cursors[number]
                cursor.window = window
                position = f"{log.epoch}:{cursor.offset}"
            else:
                position, offset, gap = log.opening(start)
                is_due_snapshot = delivery == "latest" and start == "snapshot"
                cursor = connection.cursors[number] = FakeCursor(offset, is_due_snapshot, window, offset)
                gaps += [gap] if gap else []
            message += f'"position":"{position}","behind":{log.head - cursor.offset}'.encode() + part
        self._put(conn, TEXT_FRAME, message)
        for gap in gaps:
            self._put(conn, TEXT_FRAME, json.dumps(gap).encode())

    def ack(self, conn: int, positions: Sequence[tuple[int, str, int]]) -> None:
        connection = self.connections.get(conn)
        if connection is None:
            return
        for number, epoch, offset in positions:
            cursor, log = connection.cursors.get(number), self._log(number)
            if cursor is not None and epoch == log.epoch and cursor.acked < offset <= cursor.offset:
                cursor.acked = offset
                cursor.unacked = [one for one in cursor.unacked if one > offset]

    def positions(self, conn: int) -> None:
        if conn in self.connections:
            self.connections[conn].is_asked += 1

    def rotate_log(self, log: int) -> str:
        found = self._log(log)
        former, found.epoch = found.epoch, f"e{next(self._numbers):04x}"
        found.ring, found.last, found.head, found.size = [], {}, 0, 0
        for conn, connection in self.connections.items():
            cursor = connection.cursors.get(log)
            if cursor is not None:
                gap = found.gap(f"{former}:{cursor.offset}", 0, "epoch")
                connection.cursors[log] = FakeCursor(0, window=cursor.window)
                self._put(conn, TEXT_FRAME, json.dumps(gap).encode())
        return found.epoch

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

    def read_log(self, log: int, after: int, limit: int = 100) -> list[bytes]:
        return [entry[3] for entry in self._log(log).after(after)[:limit]]

    def sweep(self, now: float) -> None:
        for log in self.logs.values():
            log.sweep(now)

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
        entries = log.newest_of_each_key() if cursor.is_due_snapshot else log.after(cursor.offset)
        cursor.is_due_snapshot = False
        allowed = entries[: cursor.room]
        for entry in allowed:
            self._put(conn, TEXT_FRAME, entry[3])
        if cursor.window is not None:
            cursor.unacked += [entry[0] for entry in allowed]
        if len(allowed) == len(entries):
            cursor.offset = log.head
        elif allowed:
            cursor.offset = allowed[-1][0]

    def _positions(self, connection: FakeConnection) -> list[tuple[int, str]]:
        return [(log, f"{self.logs[log].epoch}:{cursor.proven}") for log, cursor in connection.cursors.items()]

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
