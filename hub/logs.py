"""The hub's own log: one JSON object a line on standard error, and the same records on channel `logs`.

Event names are fixed (`auth.refused`); what varies stands in fields. Nothing here raises: a line that cannot be written
is counted (hardening.md section 8, `log_rate`, id12).
"""

import logging
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, TextIO

import orjson
import structlog

from channels.buckets import Rate, TokenBucket
from hub.redaction import escape_unseen, hashed, redact

Record = dict[str, Any]
Sink = Callable[[Record], None]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
DEFAULT_RATE = Rate(10, 10)
MAX_NAMES = 1_000
SUMMARY_INTERVAL = 60.0
MAX_TRACEBACK = 4_096


class LineLimiter:
    """At most `rate` lines per event name; what is left out is counted and summed up once a minute."""

    def __init__(self, rate: Rate, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.dropped_total = 0
        self._monotonic = monotonic
        self._buckets: dict[str, TokenBucket] = {}
        self._dropped: Counter[str] = Counter()
        self._summed_at = monotonic()

    def admit(self, event: str) -> bool:
        """Whether a line of that name may be written now."""
        now = self._monotonic()
        if len(self._buckets) >= MAX_NAMES and event not in self._buckets:
            event = "other"
        bucket = self._buckets.get(event)
        if bucket is None:
            bucket = self._buckets[event] = TokenBucket(self.rate, now)
        if bucket.take(1, now) == 0.0:
            return True
        self._dropped[event] += 1
        self.dropped_total += 1
        return False

    def take_summary(self) -> dict[str, int] | None:
        """Lines left out per name in the last minute, once a minute and only if there were any."""
        now = self._monotonic()
        if not self._dropped or now - self._summed_at < SUMMARY_INTERVAL:
            return None
        summary, self._dropped, self._summed_at = dict(self._dropped), Counter(), now
        return summary


class LogOutput:
    """Where records go: a stream, and the sinks of the hubs of this process."""

    def __init__(self, limiter: LineLimiter, stream: TextIO | None, *, node: str, shows_users: bool) -> None:
        self.limiter = limiter
        self.sinks: dict[int, Sink] = {}
        self._stream = stream
        self.node = node
        self._shows_users = shows_users

    def admit(self, logger: object, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The first structlog processor: what is left out costs nothing more."""
        if not self.limiter.admit(str(fields.get("event", ""))):
            raise structlog.DropEvent
        return fields

    def process(self, logger: object, method: str, fields: MutableMapping[str, Any]) -> str:
        """The last structlog processor: the finished line, after the sinks have had the record."""
        record = self._finish(method, fields)
        for sink in self._sinks_here():
            sink(record)
        return escape_unseen(orjson.dumps(record, default=str).decode())

    def _finish(self, method: str, fields: MutableMapping[str, Any]) -> Record:
        record: Record = {
            "ts": round(time.time(), 3),
            "level": method,
            "event": fields.pop("event"),
            "node": self.node,
        }
        user = fields.pop("user", None)
        if user is not None:
            record["user"] = redact(user) if self._shows_users else hashed(str(user))
        traceback = fields.pop("exception", None)
        record |= redact(dict(fields))
        if traceback is not None:
            record["exception"] = str(traceback)[-MAX_TRACEBACK:]
        return record

    def _sinks_here(self) -> Sequence[Sink]:
        """The sink of the hub whose loop runs in this thread; from threads without one, all."""
        here = self.sinks.get(threading.get_ident())
        return [here] if here else list(self.sinks.values())

    def write(self, line: str) -> None:
        """One line; a stream that cannot take it costs the line, never the caller."""
        try:
            print(line, file=self._stream or sys.stderr, flush=True)
        except (OSError, ValueError):
            self.limiter.dropped_total += 1


class _LineLogger:
    """What structlog calls with the finished line."""

    def __init__(self, output: LogOutput) -> None:
        self.msg = output.write

    debug = info = warning = error = critical = lambda self, line: self.msg(line)


class PythonHandler(logging.Handler):
    """Brings what libraries log by `logging` (uvicorn, asyncio) into the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """One record as event `python.log`."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        log = structlog.get_logger(record.name)
        getattr(log, level)(
            "python.log", logger=record.name, reason=record.getMessage(), exc_info=record.exc_info or None
        )


_output: LogOutput | None = None


def configure(
    *,
    level: str,
    rate: Rate,
    node: str,
    shows_users: bool = False,
    stream: TextIO | None = None,
    owns_process: bool = True,
    is_final: bool = False,
) -> LogOutput:
    """Set structlog up and, for who owns the process, Python's `logging` as well.

    `is_final`: nobody does so again in this process, so that each logger may find out once what it has to do.
    """
    global _output  # noqa: PLW0603 - structlog's configuration is the process's as well
    output = _output = LogOutput(LineLimiter(rate), stream, node=node, shows_users=shows_users)
    structlog.configure(
        processors=[
            output.admit,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            output.process,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _LineLogger(output),
        cache_logger_on_first_use=is_final,  # tests and embedders configure again
    )
    if owns_process:
        root = logging.getLogger()
        root.handlers = [PythonHandler()]
        root.setLevel(logging.WARNING)
    return output


def current(
    *,
    level: str = "info",
    rate: Rate = DEFAULT_RATE,
    node: str = "hub",
    shows_users: bool = False,
    stream: TextIO | None = None,
) -> LogOutput:
    """The process's output; set up now, as told, where nobody did (a hub embedded by `create_app` or `Runtime`)."""
    return _output or configure(
        level=level, rate=rate, node=node, shows_users=shows_users, stream=stream, owns_process=False
    )


class LogChannel:
    """Carries records to channel `logs`: bounded, in batches of one turn of the loop, and never about itself.

    `publish` gets what was gathered; `schedule` has it called on the hub's loop from any thread.
    """

    def __init__(
        self,
        publish: Callable[[list[Record]], None],
        schedule: Callable[[Callable[[], None]], object],
        most: int = 1_000,
    ) -> None:
        self.dropped_total = 0
        self._publish = publish
        self._schedule = schedule
        self._most = most
        self._waiting: deque[Record] = deque()
        self._is_scheduled = False
        self._is_publishing = False
        self._lock = threading.Lock()

    def __call__(self, record: Record) -> None:
        """Take a record; what publishing itself logs is not published, or one line would make another for ever."""
        if self._is_publishing:
            return
        with self._lock:
            if len(self._waiting) >= self._most:
                self.dropped_total += 1
                return
            self._waiting.append(record)
            is_first, self._is_scheduled = not self._is_scheduled, True
        if is_first:
            self._schedule(self.flush)

    def flush(self) -> None:
        """Publish what waits."""
        with self._lock:
            records, self._waiting, self._is_scheduled = list(self._waiting), deque(), False
        self._is_publishing = True
        try:
            self._publish(records)
        finally:
            self._is_publishing = False
