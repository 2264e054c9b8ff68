"""The native engine room: the data plane (`Plane`) and the SignalSystem.

Everything here is callable from any thread unless it says otherwise, and nothing calls back into Python from a native
thread: what happens natively is collected in lists that Python drains when the wake-up descriptor becomes readable.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Final, Literal, Self, final

from typing_extensions import Buffer

__version__: Final[str]

# --- the data plane ---------------------------------------------------------------------------------------------------

Encoding = Literal["json", "msgpack"]
Delivery = Literal["all", "latest"]
OnSlow = Literal["gap", "close"]
Fsync = Literal["always", "interval", "never"]

# Kinds of `Event` (index 1 of the tuple).
EVENT_TEXT: Final[int]
"""A complete JSON message that passed the strict scan (M10-M13). a: bytes, b: None"""
EVENT_BINARY: Final[int]
"""A complete binary message, not looked into. a: bytes, b: None"""
EVENT_PUBLISHES: Final[int]
"""JSON messages that came one after the other and are all plainly a `publish` to one channel. a: Publishes, b: None"""
EVENT_UNREADABLE: Final[int]
"""A message that is no message: a: slug ("bad_json" | "too_large"), b: text for people. The connection lives on."""
EVENT_CLOSED: Final[int]
"""The last event of a connection. a: (code: int, reason: str), b: cause ("peer" | "local" | "lost" | "timeout" |
"slow" | "protocol" | "limit" | "panic" | "stop")"""
EVENT_OUTPUT: Final[int]
"""A virtual connection has output. a, b: None. Sent once after `take_output` ran dry: take until it does."""
EVENT_FEED: Final[int]
"""A virtual connection whose `feed` answered False can be fed again. a, b: None"""
EVENT_FATAL: Final[int]
"""An I/O thread, or that of durable logs, is lost; conn is 0. a: text. The process should report itself unhealthy and
end."""
EVENT_POSITIONS: Final[int]
"""What `positions` asked for. a: list of (log, "<epoch>:<offset>"), one for every subscription, b: None"""
EVENT_STORED: Final[int]
"""Entries of a durable log are written and visible; conn is 0. a: log, b: (epoch, offset): everything up to there."""
EVENT_STORE_FAILED: Final[int]
"""Entries of a durable log that had been appended are not stored, and gone; conn is 0. a: log, b: (epoch, first offset,
text, uncertain): everything appended in that epoch from that offset on until then; the next append gets that offset
again, or begins another epoch. uncertain: they may be there after a restart all the same."""
EVENT_RETAIN_FAILED: Final[int]
"""The files of a durable log are not within its bounds, or lost something to get there; conn is 0. a: log, b: text.
Told once as long as it stays the same."""

Event = tuple[int, int, object, object]
"""(connection, kind, a, b)"""

class PlaneError(Exception):
    """The plane cannot do what was asked: not started, stopped, forked, unknown log, descriptor not usable."""

class PlaneOverloaded(PlaneError):  # noqa: N818 - the protocol's word
    """Too much waits to be written to durable logs, or there are too many distinct filters; nothing was done."""

class FilterError(ValueError):
    """A filter breaks a rule; the text says what was expected and what came. `path`: the member, "" for the whole."""

    path: str

@final
class Filter:
    """A filter of subscriptions (PROTOCOL.md section 9), read strictly and in one form, however it was written."""

    def __new__(cls, text: bytes, *, max_bytes: int = 2048, max_nodes: int = 32, max_depth: int = 4) -> Self:
        """`text`: JSON. Raises `FilterError` where it breaks F1 to F3 or one of the bounds (F8)."""
    @property
    def text(self) -> bytes:
        """The one form that equal filters have, as JSON."""
    @property
    def received(self) -> bytes:
        """As it was given."""
    @property
    def is_open(self) -> bool:
        """Whether it is `{}`, or says as much: everything passes."""
    def __and__(self, other: Filter, /) -> Filter:
        """What passes both (F12)."""
    def __rand__(self, value: Filter, /) -> Filter: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class Sieve:
    """A filter on a log, with what it has let through there. It is there as long as somebody holds or follows it."""

    def unjudged(self, start: Start) -> int:
        """How many entries of the log a subscription from `start` may have to judge before it can begin.

        Those that have to be decoded count as more than one.
        """
    def judge(self, start: Start) -> None:
        """Judge them in small steps; releases the GIL. To be called from a thread that may take its time."""

@final
class SharedBucket:
    """A token bucket that I/O threads may take from too: full at the start, refilled steadily, paid whole or not.

    `now`: seconds of `time.monotonic`; a clock that steps back gives nothing and takes nothing. Any thread may call.
    """

    def __new__(cls, capacity: float, refill: float, now: float) -> Self:
        """`refill`: per second. `ValueError` unless both are finite and above 0."""
    @property
    def at(self) -> float:
        """The latest time at which it paid."""
    @property
    def is_lent(self) -> bool:
        """Whether an I/O thread may take from it, see `Plane.grant`."""
    def level(self, now: float) -> float:
        """What could be paid; below zero where more was drained than was in it."""
    def pay(self, cost: float, now: float) -> None:
        """Pay `cost`, whether it is there or not; less than nothing fills it again."""
    def drain(self, cost: float, now: float, most: float) -> None:
        """The same; at most `most` capacities are ever owed."""
    def take(self, cost: float, now: float, other: SharedBucket | None = None) -> bool:
        """Pay `cost` from this one and from `other`, or nothing from either: whether it was paid."""
    def take_each(self, most: int, now: float, other: SharedBucket | None = None) -> int:
        """Pay 1 from both, up to `most` times: how often that could be done."""

@final
class Plane:
    """The native data plane: sockets, frames, logs, views and cursors, on I/O threads of its own.

    What is queued by `send`, `send_many`, `close`, `close_all`, `set_max_message`, `accept`, `append`, `subscribe`,
    `unsubscribe`, `ack`, `positions`, `rotate_log`, `begin_log`, `apply_entries`, `restore_newest` and `close_log` is
    done in that order when the I/O thread next wakes, which `flush` sees to; all others wake it themselves. A command
    for a connection that is gone does nothing and is counted. An argument that is not as described raises `ValueError`.
    """

    def __new__(
        cls,
        *,
        io_threads: int = 1,
        flush_ms: float = 2.0,
        ring_from: int = 256,
        max_message: int = 1_048_576,
        max_empty_fragments: int = 64,
        message_timeout: float = 30.0,
        heartbeat_interval: float = 30.0,
        heartbeat_timeout: float = 10.0,
        write_stall: float = 10.0,
        close_wait: float = 2.0,
        answer_buffer: int = 1_048_576,
        message_rate: tuple[float, float] = ...,  # (4000.0, 2000.0): at once, per second
        control_rate: tuple[float, float] = ...,  # (100.0, 20.0): at once, per second
        byte_rate: tuple[float, float] = ...,  # (16_777_216.0, 4_194_304.0): at once, per second
        inbox_messages: int = 10_000,
        inbox_bytes: int = 16_777_216,
        turn_read: int = 262_144,
        turn_write: int = 65_536,
        log_memory: int = 536_870_912,
        view_memory: int = 268_435_456,
        max_filters: int = 1_024,
        max_channel_filters: int = 256,
        filter_memory: int = 268_435_456,
        resume_events: int = 1_000,
        data_dir: str | PathLike[str] | None = None,
        fsync: Fsync = "interval",
        fsync_interval: float = 1.0,
        log_segment: int = 16_777_216,
        log_queue: int = 65_536,
        log_queue_bytes: int = 67_108_864,
        recorder_bytes: int = 4_096,
        recorder_ended: int = 10_000,
        recorder_seconds: float = 900.0,
    ) -> Self:
        """`data_dir` is made if it is not there, and taken until the plane has stopped; `PlaneError` if that cannot be.

        `log_queue`, `log_queue_bytes`: what may wait to be written, over all durable logs.
        `recorder_…`: bytes of the story of a connection (0: none), how many are kept of ended ones, and how long.
        `max_filters`, `max_channel_filters`: distinct filters, each counted on each of its logs: of all logs, of one.
        Those that need one of up to 8 balls of a `near` are not counted. `filter_memory`: bytes of all of them.
        """
    def start(self) -> None:
        """Start the I/O threads. Raises `PlaneError` if they cannot be started."""
    def stop(self, timeout: float = 5.0) -> bool:
        """Close what is open, join the threads; releases the GIL. False if one did not end within `timeout` seconds."""
    def wakeup_fd(self) -> int:
        """Descriptor (eventfd, owned by the plane) that is readable while events wait. `drain` clears it."""
    def drain(self, max_events: int = 4096) -> list[Event]: ...

    # connections
    def attach(
        self,
        fd: int,
        head: bytes,
        tail: bytes,
        *,
        encoding: Encoding = "json",
        deflate: bool = False,
        max_message: int | None = None,
    ) -> int:
        """Own socket `fd` at once (also on error): send `head` first, parse `tail` first. -> connection

        It begins with the next `flush`, together with what is queued for it up to then.

        `deflate`: `head` has negotiated permessage-deflate without context take-over on either side (B2).
        """
    def attach_virtual(self, *, encoding: Encoding = "json", max_message: int | None = None) -> int:
        """A connection without a socket: messages come by `feed`, leave by `take_output`."""
    def attach_echo(
        self, fd: int, head: bytes, tail: bytes, *, deflate: bool = False, max_message: int = 16_777_216
    ) -> int:
        """A connection whose messages are echoed on the I/O thread (conformance suites only)."""
    def feed(self, conn: int, data: bytes, *, binary: bool) -> bool:
        """One message from the peer of a virtual connection. False: taken, but wait for EVENT_FEED before the next."""
    def feed_close(self, conn: int, code: int = 1005, reason: str = "") -> None:
        """The peer of a virtual connection closed or vanished (1006)."""
    def take_output(self, conn: int, max_bytes: int = 65_536) -> list[tuple[int, bytes]]:
        """Messages to relay: (opcode, payload); 1 text, 2 binary, 8 close (payload: 2 bytes code, then reason)."""
    def send(self, conn: int, data: bytes) -> None:
        """One message (text under json, binary under msgpack) between two frames of whatever else is being written."""
    def send_many(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """`send` for many, with one lock: what a batch of inbound messages is answered with."""
    def close(self, conn: int, code: int, reason: str) -> None:
        """Send what was queued by `send`, then a close frame; EVENT_CLOSED follows within `close_wait` seconds."""
    def close_all(self, code: int, reason: str) -> None: ...
    def set_max_message(self, conn: int, max_message: int) -> None: ...
    def accept(self, conn: int, encodings: Sequence[str]) -> None:
        """The peer decodes these content encodings itself from now on (M21, B9); unknown ones count for nothing."""
    def grant(
        self,
        conn: int,
        log: int,
        largest: int,
        own: SharedBucket,
        shared: SharedBucket | None = None,
        *,
        takes_traces: bool = True,
    ) -> None:
        """The I/O thread of `conn` may take its plain publishes to `log` (those of EVENT_PUBLISHES) by itself.

        It stores and answers them as `append_publishes` and `acknowledge` would, and tells of them in `stats()` only.
        Those of at most `largest` bytes, without a trace context unless `takes_traces`, paid from `own` and `shared`,
        while all that `conn` has said before was `handled`; everything else comes as ever. In force from `flush` on.
        `PlaneError` if the log is unknown, or durable.
        """
    def handled(self, counts: Sequence[tuple[int, int]]) -> None:
        """Of each connection so many messages were handled since it came, and none of them waits for anything any more.

        A message is an EVENT_TEXT, EVENT_BINARY or EVENT_UNREADABLE, or one publish of an EVENT_PUBLISHES.
        """
    def direct_counts(self) -> tuple[int, int]:
        """Publishes that I/O threads took by themselves since the start, and answers to them."""
    def withdraw(self, conn: int) -> None:
        """Take all grants of `conn` back: what it sends after this call has returned comes to Python again."""
    def flush(self) -> None:
        """Wake the I/O threads for what was queued since; call once per turn of the loop."""

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
        """A new log with a fresh random epoch. -> log. Opening a channel that is open raises `PlaneError`.

        `durable` (needs `data_dir`): entries and epoch are those of before; reads the files. Entries appended there are
        visible to nobody, neither as head nor as "new", before EVENT_STORED tells of them.
        """
    def close_log_if_empty(self, log: int) -> bool:
        """Forget a log in memory if it holds no entry and none is on its way to it: whether that was so."""
    def close_log(self, log: int) -> None:
        """Forget a log, its cursors and its files."""
    def begin_log(self, log: int, epoch: str, offset: int) -> None:
        """Stand at `epoch`:`offset` with nothing kept, for a log whose entries get their places elsewhere.

        In another epoch every subscriber gets a `gap` of reason `epoch` from where it stands to there, or to the place
        before the oldest entry that is still kept when it can be written to; in the same epoch, ahead of the head, one
        of reason `retention`, whatever its `on_slow`. Under "latest" on a log that keeps keys the gap ends at
        `<epoch>:0` and a snapshot follows (P7, S13): call `restore_newest` at once. At the head of the same epoch
        nothing happens. `ValueError` behind it, beyond 2^53-1, or for an `epoch` that is none; `PlaneError` for a
        durable log.
        """
    def apply_entries(self, log: int, epoch: str, first: int, entries: bytes) -> int:
        """Append entries that have their places: what `encode_entries` made, one after the other. -> offset of the last

        `ValueError`, and nothing appended, unless `epoch` is the log's and `first` its head + 1, or if one of `entries`
        cannot be read whole or is not as M10, M13, M16 and M17 say. `PlaneError` for a durable log. Whatever time an
        entry has, it stays until a `sweep` has passed over it, and counts as no later than a minute after it came.
        """
    def restore_newest(self, log: int, newest: Sequence[tuple[int, bytes]]) -> None:
        """The newest entry of each key at or below the head, (offset, entry), offsets rising; for `last_per_key`.

        Only what the log does not know a newer entry of is taken, and nothing by a log that keeps no keys. `ValueError`
        as above. "latest" subscribers that had begun without them go back to `<epoch>:0`, by a `gap` of reason
        `retention`, and get a snapshot.
        """
    def rotate_log(self, log: int) -> str:
        """Begin another history: nothing is kept of the former one, and offsets count from 1 again. -> its epoch

        Every subscriber gets a `gap` of reason `epoch` from where it stands to `<epoch>:0` and goes on (P12).
        """
    def append(
        self,
        log: int,
        entries: Entries,
        ts: float,
        marks: Sequence[bytes | None] | None = None,
    ) -> tuple[str, int]:
        """Append (event, data JSON, key, tags JSON, traceparent, tracestate) each. -> (epoch, offset of the first).

        `data` and `tags` must be valid JSON text; they are not looked into. With a seventh element (media type,
        content encoding, meta JSON) `data` is a payload, which `check_content` and `check_payload` have passed.
        `ts`: seconds of the wall clock (M45).
        `marks`, one for each entry, are kept in the files of a durable log. Raises `PlaneOverloaded` there.
        """
    def recovered_marks(self, log: int) -> list[tuple[int, float, bytes]]:
        """(offset, ts, mark) of a durable log's recovered entries that have one, oldest first; only the first call."""
    def recovery_notes(self, log: int) -> list[tuple[Literal["torn", "power_loss", "damage", "apart"], str]]:
        """What an operator should know of a durable log's recovery, each with a text; the first call gets it.

        All but the first mean that another epoch has begun.
        """
    def durable_channels(self) -> list[str]:
        """Channels of which `data_dir` holds something; none without one."""
    def check_durable_log(self, channel: str) -> None:
        """`PlaneError` if what `data_dir` holds of `channel` is of another version or channel; changes nothing.

        `ValueError` without `data_dir`.
        """
    def leave_durable_log(self, channel: str) -> None:
        """Let what `data_dir` holds of `channel` be over: its next durable log begins another epoch with it.

        For a channel that is not durable now. `ValueError` without `data_dir`, `PlaneError` if it cannot be noted.
        """
    def append_signals(self, log: int, batch: SignalBatch, ts: float) -> tuple[str, int]:
        """Append a batch of the SignalSystem; no Python object is made per event."""
    def append_publishes(self, log: int, batch: PublishBatch, ts: float) -> tuple[str, int]:
        """As `append`, of publishes in the order of their runs; no Python object is made per entry."""
    def acknowledge(self, batch: PublishBatch, epoch: str, first: int, over: Sequence[int]) -> int:
        """Send the `ack` of each publish that has an id (M30), the first of all being at `epoch`:`first`. -> how many

        Between two frames of whatever else is being written, as `send`; connections in `over` are told nothing.
        """
    def subscribe(
        self,
        conn: int,
        specs: Sequence[tuple[int, Delivery, OnSlow, float | None, Start, bool, int | None, Sieve | None]],
        reply: Sequence[bytes] | None,
    ) -> None:
        """Put cursors of `conn` on logs and answer, in one step of the I/O thread.

        A spec is (log, delivery, on_slow, max_rate, start, keep, ack, sieve): with `keep`, a cursor that exists stays
        where it is and only its options and filter change (M26); with `ack`, at most so many events (1 to 10,000) are
        sent beyond what the client has acknowledged (S10); `sieve`, one of this log, says what it lets through (None:
        everything). Without `reply` nothing is sent, and specs of logs that `conn` does not follow do nothing. Else it
        has one part more than `specs`; between part i and i + 1 the plane writes the members `position` and `behind` of
        spec i in the encoding of the connection (`"position":"<epoch>:<offset>","behind":7`), sends the whole as one
        message before any event of these subscriptions (M9), and then starts them. "new" and "last" count from the head
        at this call, so that what is appended after it is delivered (C14). "snapshot" and `max_rate` (events per
        second) need "latest".
        """
    def sift(
        self, log: int, wanted: Filter | None, policy: Filter | None = None, *, must: bool = False
    ) -> Sieve | None:
        """What lets through what passes both filters (None: everything); None where everything passes.

        Raises `PlaneOverloaded` if there are too many distinct ones already, unless it `must` be.
        """
    def unsubscribe(self, conn: int, logs: Sequence[int], reply: bytes | None = None) -> None:
        """Take cursors away; `reply` is sent after that, and no event of these logs after it."""
    def ack(self, conn: int, positions: Sequence[tuple[int, str, int]]) -> None:
        """The client has handled what comes before these places, each (log, epoch, offset), which opens windows (S10).

        A place older than an earlier one, not yet sent, of another epoch or of a log without a window is ignored (M36).
        """
    def positions(self, conn: int) -> None:
        """Ask where the cursors of `conn` stand; EVENT_POSITIONS says it, unless the connection has ended.

        It comes once for each question, when all that was to be sent before it was handed to the connection's stream
        (R11). The positions cover what was handed to the stream before the event and nothing else (R16): of a gap that
        was not, the position before it, or its end where a client has named a place beyond the head (P11). A
        subscription with `ack` stands where its client has acknowledged.
        """
    def watermark(self, conn: int, logs: Sequence[int]) -> None:
        """Tell the peer by an `ack` where its cursors on `logs` stand, though none may have moved (E4).

        It names what the stream holds before it, with `ack` or without. A cursor with a gap still to come is left out:
        the gap tells it.
        """
    def log_info(self, log: int) -> dict[str, object]:
        """channel, epoch, head, first, entries, bytes, keys, cursors, appended (since the start); of a durable log also
        placed (offset of the last entry appended, stored or not), disk_bytes, segments"""
    def read_log(self, log: int, after: int, limit: int = 100, policy: Filter | None = None) -> list[bytes]:
        """At most `limit` entries with an offset above `after`, each as the JSON text of its `event` message (M44).

        Of these, those that pass `policy`.
        """
    def read_newest(self, log: int, after: int = 0, limit: int = 100) -> list[bytes]:
        """At most `limit` of the newest entries of their keys, with an offset above `after`, as in a snapshot (S5).

        Each as the JSON text of its `event` message; none of a log that does not keep them.
        """
    def sweep(self, now: float) -> None:
        """Let entries leave that are older than their log keeps them; `now`: wall clock seconds. Once a second."""

    # figures
    def stats(self) -> dict[str, object]:
        """Counters and histograms since the start; names and shapes: native/python/src/stats.rs."""
    def connection_stats(self, conn: int) -> dict[str, int] | None:
        """messages_in, bytes_in, bytes_out, subscriptions, unread_answers (bytes), blocked (0 or 1); up to 1 s old."""
    def story(self, conn: int) -> tuple[float, list[tuple[float, float, int, str, str]], int] | None:
        """What happened to a connection that is open, or has ended and is remembered; None: it is not.

        Wall clock of its beginning, records, and how many went to make room. A record: wall clock of the first time
        and of the last, how often in a row, kind, text. Kinds: native/plane/src/story/kind.rs.
        """
    def note(self, conn: int, kind: str, text: str) -> None:
        """Record something that only Python knows; the text is cut at 256 bytes. Too late is no error.

        Raises `ValueError` for an unknown kind.
        """
    def remembers(self) -> tuple[int, int]:
        """How many ended connections are remembered, and the bytes of their stories."""

@final
class Publishes:
    """A run: publishes of one connection to one channel, one after the other, at least one and at most 256.

    Each is as M1-M4, M16, M17 and M29 say and has no `mid`: whatever would be refused, or is more than that, comes by
    EVENT_TEXT in its place.
    """

    @property
    def channel(self) -> str: ...
    @property
    def largest(self) -> int:
        """Bytes of the largest message."""
    @property
    def size(self) -> int:
        """Bytes of all of them, about."""
    @property
    def is_traced(self) -> bool:
        """One of them carries a trace context (M17)."""
    def __len__(self) -> int: ...
    def frames(self) -> list[bytes]:
        """The messages as they came: each could have come by EVENT_TEXT."""
    def ids(self) -> list[int | str | None]:
        """Of each its `id` (M4); None: it has none."""
    def events(self, count: int) -> list[str]:
        """Names of the first `count` events."""

@final
class PublishBatch:
    """The first publishes of runs of one channel, of any connections: what becomes one append."""

    def __new__(cls, parts: Sequence[tuple[Publishes, int]]) -> Self:
        """`parts`: runs, each with how many of it. `ValueError` if they are shorter, or of several channels."""
    def __len__(self) -> int: ...
    def encode_entries(self, ts: float) -> list[bytes]:
        """As the function of that name, of all entries in order."""

Start = (
    Literal["new", "snapshot"]
    | tuple[Literal["last"], int]
    | tuple[Literal["since"], float]
    | tuple[Literal["at"], str, int]
)

def check_json(data: bytes) -> None:
    """The strict scan (M10-M13, UTF-8 included) for JSON that came by no socket. `ValueError`: what is wrong, where."""

def json_to_msgpack(data: bytes) -> bytes:
    """The msgpack form of valid JSON text (M14)."""

CONTENT_ENCODINGS: Final[tuple[str, ...]]
"""The content encodings that payloads may have (B7)."""

def check_content(media_type: str, meta: bytes | None = None) -> None:
    """What is said of a payload (B6). Raises `ValueError`, which begins with the member: `content_type` or `meta`."""

def check_payload(
    payload: bytes, media_type: str, encoding: str | None, *, max_decoded: int, max_ratio: int
) -> tuple[Literal["too_large", "content_invalid"], str, int | None] | None:
    """Decode a payload that is encoded, within the limits, and scan what is JSON (B8, L9). -> what is wrong with it:
    name of the error, a sentence, the limit passed. No more is reserved than the limits allow."""

def is_much(payload: bytes, media_type: str, encoding: str | None, budget: int) -> bool:
    """Whether `check_payload` would look into more than `budget` bytes, encoded or decoded."""

def is_null(payload: bytes, media_type: str, encoding: str | None) -> bool:
    """Whether a payload is JSON `null`, encoded or not (S6, F10)."""

_Content = tuple[str, str | None, bytes | None]
_Entry = tuple[str, bytes, str | None, bytes | None, str | None, str | None]
_ContentEntry = tuple[str, bytes, str | None, bytes | None, str | None, str | None, _Content]
_Timed = tuple[str, bytes, str | None, bytes | None, str | None, str | None, float]
_TimedContent = tuple[str, bytes, str | None, bytes | None, str | None, str | None, _Content, float]
Entries = Sequence[_Entry | _ContentEntry]

def encode_entries(entries: Entries, ts: float) -> list[bytes]:
    """Each entry (as for `Plane.append`) with its time as bytes that `Plane.apply_entries` reads on any node.

    Little-endian; begins with the length of the rest (u32) and the version of the form (u8). Those of several entries
    may stand one after the other. `ValueError` for what no node would take.
    """

def decode_entries(data: bytes) -> list[_Timed | _TimedContent]:
    """What `encode_entries` made, one or several, with the time last, behind the content where there is some.

    `ValueError` if it is not whole or not that.
    """

# --- the SignalSystem (signals.md 2) ----------------------------------------------------------------------------------

class SignalValueError(ValueError):
    """What was given breaks a rule; nothing was processed."""

    slug: str
    """The error name of the wire protocol: vector_invalid, schema_invalid, bad_message, too_large, or overloaded where
    the table of event types is full (4,096 names)."""
    path: str | None
    """The member that is wrong: `vector`, `vectors.3`, `priority`, `event_type`, `key`, `tags`, `payload`."""

class SignalOverloaded(Exception):  # noqa: N818 - the protocol's word
    """The queue to the consumer is full; the signal was not processed (M34)."""

    slug: str
    path: str | None

class SignalSystemError(Exception):
    """The system is closed, failed earlier (a caught panic), or belongs to the process this one was forked from."""

Vector = Sequence[float] | Buffer
"""8 real numbers that stay finite as 32-bit floats: any sequence, or a buffer of float32 or float64. The axes:
physical, sensory, motor, emotional, cognitive, social, temporal, abstract."""

Vectors = Buffer
"""Contiguous rows of 8 float32 or float64: N x 8, or flat."""

EmitItem = tuple[
    str,
    Vector | Sequence[Vector] | bytes,
    int,
    str | None,
    Mapping[str, str] | bytes | None,
    bytes | None,
    str | None,
    str | None,
]
"""(event_type, vectors, priority, key, tags, payload, traceparent, tracestate). `vectors` is one vector, a sequence of
them, or `bytes` of little-endian 32-bit floats, 32 bytes per vector. `tags` as `bytes` is the text of a JSON object of
strings that was checked before."""

@final
class SignalSystem:
    """Takes typed 8-D vectors, says at once what is new and what lies near, and hands the events to the hub.

    Any thread may call; no call waits for a consumer, unless `overflow` is "block".

    `index_window` is how many of the newest tokens novelty and neighbours are looked for among (1,024 to `capacity`;
    by default 131,072, or the capacity if that is smaller): what an emit costs depends on it and on `neighbor_radius`,
    not on `capacity`. `novelty_ttl`: tokens older than so many seconds count neither as known nor as neighbours.
    With `neighbors="off"` nothing is looked for: no result is novel, `exact` is False. With `"bounded"` a search stops
    after `max_leaves` buckets (`exact` says whether anything may have been missed), but nothing is called novel that is
    not.
    `auto_connect=k` connects each emit's token with its k nearest (kind "similar", strength = resonance); the table
    holds `max_connections`, what finds no room is counted. `novelty_events`: a novel signal is told once more as
    `signal.anomaly.novelty`, at most ten times a second.
    `threads` is how many search for one batch (by default the processors, at most 4). Distances, novelty and counts
    do not depend on it; which of equally distant tokens are named, and in what order, is not promised.
    Distances are of single precision: those below 1e-19 are told as 0.
    `capacity` counts ids: a token is gone when as many newer ones were made, whether others were deleted or not.
    `overflow="block"`: an emitter waits for room, but the thread that takes the batches is refused instead.
    `publish` says which emits become events (token events of the API always do), `token_events` that an emit is also
    told as `token.created`. The queue holds `queue_size` events, and at most 64 MiB of keys, tags, payloads and trace
    context; it holds nothing until `wakeup_fd` or `take_batch` was called.
    `max_subscribers` (1 to 65,536) bounds `subscribe`; who is refused is counted.
    Raises `SignalValueError` naming the setting, what was expected and what came.
    """

    def __new__(
        cls,
        *,
        capacity: int = 1_048_576,
        index_window: int | None = None,
        neighbor_radius: float = 0.1,
        novelty_radius: float = 0.1,
        novelty_ttl: float | None = None,
        max_neighbors: int = 10,
        neighbors: Literal["exact", "bounded", "off"] = "exact",
        max_leaves: int = 24,
        scales: Vector | None = None,
        auto_connect: int = 0,
        max_connections: int = 262_144,
        publish: Literal["all", "novel", "none"] = "all",
        event_neighbors: int = 5,
        queue_size: int = 65_536,
        overflow: Literal["refuse", "block", "drop_oldest"] = "refuse",
        threads: int | None = None,
        token_events: bool = False,
        novelty_events: bool = False,
        node: str = "",
        max_subscribers: int = 256,
    ) -> Self: ...
    def emit(
        self,
        event_type: str,
        vector: Vector,
        priority: int = 128,
        *,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        payload: bytes | None = None,
        traceparent: str | None = None,
        publish: bool | None = None,
    ) -> EmitResult:
        """Process one signal. `payload` is JSON text of at most 64 KiB; an invalid `traceparent` is dropped (M17).

        Raises `SignalValueError`, `SignalOverloaded` (nothing was processed), `SignalSystemError`.
        """
    def emit_batch(
        self,
        event_type: str | Sequence[str],
        vectors: Vectors,
        priorities: int | Buffer | None = None,
        *,
        keys: Sequence[str] | None = None,
        payload: bytes | None = None,
        publish: bool | None = None,
    ) -> BatchResult:
        """Process up to 65,536 signals: what as many calls of `emit` one after another mean, without the GIL.

        Checked whole before any of it is processed, and refused whole. `priorities`: one, or a buffer of unsigned
        bytes. One signal alone is processed with the GIL, as by `emit`, unless it may have to wait.
        """
    def emit_many(self, items: Iterable[EmitItem]) -> list[list[EmitResult] | SignalValueError | SignalOverloaded]:
        """Process the signals of many emitters, in order; for each item its results or its refusal. Several are
        processed without the GIL.

        Every item is checked and refused whole and for itself. `processing_time_us` of a result is that of its item.
        Raises `TypeError` for what is no item, with nothing processed, and `SignalSystemError`.
        """
    def emit_each(
        self, items: Iterable[EmitItem]
    ) -> tuple[list[EmitResult | SignalValueError | SignalOverloaded], int, int]:
        """The same where each item has one vector. -> outcomes, how many are results, how many of these are novel"""
    def create_token(
        self, vector: Vector, *, event_type: str = "token", weight: float = 1.0, priority: int = 128
    ) -> int: ...
    def create_tokens(
        self, n: int | None = None, *, vectors: Vectors | None = None, event_type: str = "token", index: bool = True
    ) -> range:
        """Make `n` tokens at the origin, or one for each vector; told as one event. `index=False`: nobody's neighbours.

        Holds the system for as long as it takes, since the ids are consecutive.
        """
    def get_token(self, token_id: int) -> Token | None: ...
    def update_token(
        self, token_id: int, *, vector: Vector | None = None, weight: float | None = None, priority: int | None = None
    ) -> bool: ...
    def delete_token(self, token_id: int) -> bool: ...
    def list_tokens(
        self,
        *,
        limit: int = 100,
        before: int | None = None,
        filter: dict[str, Any] | Filter | None = None,  # noqa: A002 - the protocol's word
    ) -> list[Token]:
        """Newest first; `before`: only ids below it. At most 10,000.

        `filter` (PROTOCOL.md section 9) looks at each as at an event of the token's type whose `data` is the token
        (token_id, vector, event_type, priority, weight, created, is_novel, nearest_dist). Raises `FilterError`.
        """
    def count_tokens(self) -> int: ...
    def clear_tokens(self) -> int: ...
    def create_connection(
        self, token_a: int, token_b: int, *, kind: str = "similar", pull_strength: float = 1.0
    ) -> int:
        """Connect two live tokens. -> its id

        What is connected by this kind already keeps its id, takes the strength and is activated once more. A
        connection goes with either of its tokens. Raises `SignalValueError`: no such token, a bad kind (at most 256
        different ones), or no room (slug `overloaded`).
        """
    def get_connection(self, connection_id: int) -> TokenConnection | None: ...
    def update_connection(self, connection_id: int, *, pull_strength: float) -> bool: ...
    def delete_connection(self, connection_id: int) -> bool: ...
    def list_connections(self, *, limit: int = 100, before: int | None = None) -> list[TokenConnection]:
        """Newest first; `before`: only ids below it. At most 10,000."""
    def count_connections(self) -> int: ...
    def get_connections_for_token(self, token_id: int) -> list[TokenConnection]:
        """Those of which it is either end, newest first; at most 10,000."""
    def find_neighbors(
        self,
        vector_or_id: Vector | int,
        k: int = 10,
        radius: float | None = None,
        *,
        event_type: str | None = None,
        scope: Literal["window", "all"] = "window",
    ) -> list[Neighbor]:
        """The at most 64 nearest live tokens, ascending; without `radius`, however far away they are.

        `scope="all"` looks at every token that exists, one by one, and without the GIL.
        """
    def range_query(self, lo: Vector, hi: Vector, limit: int = 1000) -> list[int]:
        """Ids of the live tokens of the window with lo <= vector <= hi on every axis, newest first; at most 10,000."""
    def get_grid_info(self) -> dict[str, float]:
        """window, points, buckets, fill, depth, bytes, radius"""
    def set_scales(self, scales: Vector) -> None:
        """Weigh the axes anew; the index is filled again."""
    def warm(self, vectors: Vectors, event_type: str = "token") -> int:
        """Fill the window after a restart: makes tokens and no events. -> how many"""
    def subscribe(
        self,
        name: str,
        filter: dict[str, Any] | Filter | None = None,  # noqa: A002 - the protocol's word
        callback: Callable[[SignalEvent], object] | None = None,
        *,
        queue: int = 1024,
    ) -> int:
        """Hear the events that pass `filter` (PROTOCOL.md section 9), inside the process. -> number of the subscriber

        They wait in a queue of at most `queue` events (1 to 65,536); of more, the oldest go and are counted. They are
        taken by `poll`, or, with a `callback`, handed to it on the loop of the hub, from the drain; what it raises is
        logged and counted. Nothing here makes an emit wait. At most 256 subscribers. A subscriber hears what is
        taken from the system's queue from now on. Raises `FilterError`, `SignalValueError`, `ValueError`, `TypeError`.
        """
    def unsubscribe(self, subscriber_id: int) -> None:
        """Raises `KeyError`: no such subscriber."""
    def poll(self, subscriber_id: int, max_events: int = 1024) -> list[SignalEvent]:
        """The oldest events that wait for a subscriber, perhaps none. Raises `KeyError`: no such subscriber.

        With a hub, what it has drained so far; without one, everything up to now.
        """
    def take_heard(self, max_events: int = 1024) -> list[Heard]:
        """For who drains: number, name and callback of each subscriber that has one, and the events to call it for."""
    def note_callback_errors(self, subscriber_id: int, count: int) -> None:
        """For who drains: so many calls raised."""
    def list_subscribers(self) -> list[dict[str, Any]]:
        """subscriber_id, name, queue, waiting, heard, dropped, failed"""
    def take_batch(self, max_events: int = 4096) -> SignalBatch | None:
        """The oldest events that wait; None if there are none. Whoever takes is the consumer."""
    def wakeup_fd(self) -> int:
        """Descriptor (eventfd, owned by the system) that is readable while events wait. `take_batch` clears it."""
    def get_stats(self) -> Stats:
        """Figures; also of a system that is closed or has failed."""
    def reset_stats(self) -> None: ...
    def export_metrics(self) -> str:
        """The families `neurograph_signal_*` in Prometheus text format."""
    def close(self) -> None:
        """Refuse further work, end every wait, wake the consumer; what is queued can still be taken."""

@final
class EmitResult:
    """What the system said about one signal: attributes, or items by the same names (`result["token_id"]`).

    Distances and scores are the decimal numbers that the event's JSON holds.
    """

    @property
    def token_id(self) -> int: ...
    @property
    def is_novel(self) -> bool: ...
    @property
    def neighbors(self) -> list[Neighbor]:
        """Ascending; made into objects each time they are looked at."""
    @property
    def processing_time_us(self) -> float: ...
    @property
    def nearest_dist(self) -> float | None:
        """None if nothing lies within `neighbor_radius`."""
    @property
    def anomaly_score(self) -> float:
        """1.0 without neighbours, else min(1, mean distance / neighbor_radius)."""
    @property
    def exact(self) -> bool: ...
    @property
    def published(self) -> bool:
        """Whether it became an event (not an item)."""
    def __getitem__(self, key: str, /) -> Any: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> bytes:
        """The members of `emitted` that tell of one signal (M46): token_id, is_novel, neighbors."""

@final
class BatchResult:
    """What the system said about the signals of a batch, in order. Columns are made each time they are looked at."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> EmitResult: ...
    @property
    def novel_count(self) -> int: ...
    @property
    def processing_time_us(self) -> float:
        """Of the whole batch."""
    @property
    def token_ids(self) -> memoryview:
        """uint64"""
    @property
    def novel(self) -> memoryview:
        """uint8: 0 or 1"""
    @property
    def nearest_dist(self) -> memoryview:
        """float32; infinite where nothing lies within `neighbor_radius`"""
    @property
    def counts(self) -> memoryview:
        """uint8: how many neighbours"""
    @property
    def neighbor_ids(self) -> memoryview:
        """uint64, rows of `max_neighbors`; 0 beyond the count"""
    @property
    def neighbor_dists(self) -> memoryview:
        """float32, rows of `max_neighbors`; infinite beyond the count"""

@final
class Neighbor:
    """A live token near another point: attributes, or items by the same names."""

    @property
    def token_id(self) -> int: ...
    @property
    def distance(self) -> float: ...
    @property
    def resonance(self) -> float:
        """max(0, 1 - distance / neighbor_radius)"""
    @property
    def event_type(self) -> str: ...
    def __getitem__(self, key: str, /) -> Any: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class Token:
    """A token as it was when it was looked at: attributes, or items by the same names."""

    @property
    def token_id(self) -> int: ...
    @property
    def vector(self) -> tuple[float, ...]: ...
    @property
    def event_type(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def weight(self) -> float: ...
    @property
    def created(self) -> float:
        """Seconds of the wall clock."""
    @property
    def is_novel(self) -> bool: ...
    @property
    def nearest_id(self) -> int | None:
        """The token that was nearest when this one came."""
    @property
    def nearest_dist(self) -> float | None: ...
    def __getitem__(self, key: str, /) -> Any: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class TokenConnection:
    """A connection between two tokens as it was when it was looked at: attributes, or items by the same names."""

    @property
    def connection_id(self) -> int: ...
    @property
    def token_a(self) -> int: ...
    @property
    def token_b(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def pull_strength(self) -> float: ...
    @property
    def preferred_distance(self) -> float | None:
        """How far apart the tokens were when it was made; None beyond the range of 32-bit floats."""
    @property
    def activations(self) -> int:
        """How often it was made again."""
    def __getitem__(self, key: str, /) -> Any: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class Stats:
    """Figures at one moment; counters are since the start or `reset_stats`. Attributes, or items by the same names."""

    @property
    def emits(self) -> int: ...
    @property
    def novel(self) -> int: ...
    @property
    def published(self) -> int:
        """Events that were made, those that were dropped later too."""
    @property
    def refused(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def created(self) -> int: ...
    @property
    def deleted(self) -> int: ...
    @property
    def evicted(self) -> int: ...
    @property
    def queries(self) -> int:
        """Questions to the grid."""
    @property
    def connections_refused(self) -> int:
        """Token connections that found no room."""
    @property
    def tokens(self) -> int: ...
    @property
    def token_connections(self) -> int: ...
    @property
    def token_bytes(self) -> int: ...
    @property
    def window_points(self) -> int: ...
    @property
    def index_buckets(self) -> int: ...
    @property
    def index_depth(self) -> int: ...
    @property
    def index_fill(self) -> float: ...
    @property
    def index_bytes(self) -> int: ...
    @property
    def queue_depth(self) -> int: ...
    @property
    def emit_p50_us(self) -> float: ...
    @property
    def emit_p99_us(self) -> float: ...
    def __getitem__(self, key: str, /) -> Any: ...
    def to_dict(self) -> dict[str, Any]: ...

Heard = tuple[int, str, Callable[[SignalEvent], object], list[SignalEvent]]

@final
class SignalEvent:
    """One event of the SignalSystem as subscribers in the process hear it: attributes, and items by the same names.

    An item of another name is that member of `data`: `event["token_id"]`. What is asked for is read each time.
    """

    @property
    def event(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def tags(self) -> dict[str, str]: ...
    @property
    def data(self) -> Any: ...
    def __getitem__(self, key: str, /) -> Any: ...
    def to_json(self) -> bytes: ...

@final
class SignalBatch:
    """Processed signals on their way to a log; opaque."""

    def __len__(self) -> int: ...
    @property
    def dropped(self) -> int:
        """Events lost before the first one here (`drop_oldest`); the first entry says so."""
    def index_of(self, token_id: int) -> int | None:
        """Where the entry of the signal with this token stands: its offset is that of the first entry plus this."""
    def encode(self, encoding: Literal["json", "msgpack"] = "json") -> list[bytes]:
        """One text per entry: event, key, tags, traceparent, tracestate as far as given, and data."""
    def encode_entries(self, ts: float) -> list[bytes]:
        """As the function of that name, without a Python object per member: what `Plane.append_signals` would keep."""

def encode_text(text: str) -> list[float]:
    """The built-in encoder; `channels.encoder` describes it and returns the same bits."""
