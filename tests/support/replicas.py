"""The logs of a node without a plane: what `Replicas` promises, in lists that a test can read."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from channels._native import decode_entries
from channels.backplane import Followed
from channels.errors import BrokerError, UnknownChannel
from channels.publication import Entry, Position

FIXED = ("actions", "logs")
KEYED = ("status",)


@dataclass
class Log:
    """One log: what a subscriber that follows it from the start has seen."""

    limits: Followed
    epoch: str
    head: int = 0
    entries: list[tuple[int, str]] = field(default_factory=list)
    """(offset, event) of the current epoch, from where the log began."""
    gaps: list[tuple[str, str, str]] = field(default_factory=list)
    """(reason, from, to)"""
    keyed: list[tuple[str, str | None]] = field(default_factory=list)
    """(event, key) of these."""
    told: list[tuple[str, str]] = field(default_factory=list)
    """(position, event) of every entry, over all epochs."""
    newest: list[tuple[int, str]] = field(default_factory=list)
    history: list[tuple[str, str, str]] = field(default_factory=list)
    """("event", position, name) and ("gap", from, to), in the order in which a subscriber heard them."""

    @property
    def events(self) -> list[str]:
        return [event for _, event in self.told]


class Logs:
    """`Replicas` of one node."""

    def __init__(self, node: str, limits: dict[str, float] | None = None) -> None:
        self.node = node
        self.logs: dict[str, Log] = {}
        self.refusal: BrokerError | None = None
        self._limits = {"seconds": 300.0, "max_bytes": 64 * 1_048_576, "max_entries": 1_000_000, **(limits or {})}
        self._changed = asyncio.Event()
        self._fixed = (*FIXED, *KEYED)
        for channel in self._fixed:
            self._open(channel)

    def replica(self, channel: str) -> Followed:
        if channel not in self.logs:
            if not channel.startswith("room:"):
                raise UnknownChannel(f"expected a configured channel, came {channel!r}", channel=channel)
            self._open(channel)
        log = self.logs[channel]
        return log.limits._replace(position=Position(log.epoch, log.head))

    def replicas(self) -> Iterable[Followed]:
        return [self.replica(channel) for channel in self.logs]

    def apply(self, channel: str, epoch: str, first: int, entries: bytes) -> Position:
        if self.refusal is not None:
            raise self.refusal
        log = self.logs[channel]
        if (epoch, first) != (log.epoch, log.head + 1):
            raise ValueError(f"expected {log.epoch}:{log.head + 1}, came {epoch}:{first}")
        for entry in decode_entries(entries):
            log.head += 1
            log.entries.append((log.head, entry[0]))
            log.keyed.append((entry[0], entry[2]))
            log.told.append((f"{epoch}:{log.head}", entry[0]))
            log.history.append(("event", *log.told[-1]))
        self._changed.set()
        return Position(epoch, log.head)

    def begin(self, channel: str, position: Position) -> None:
        if self.refusal is not None:
            raise self.refusal
        log = self.logs[channel]
        if position.epoch == log.epoch and position.offset < log.head:
            raise ValueError(f"expected a place ahead of {log.epoch}:{log.head}, came {position}")
        reason = "retention" if position.epoch == log.epoch else "epoch"
        log.gaps.append((reason, f"{log.epoch}:{log.head}", str(position)))
        log.history.append(("gap", f"{log.epoch}:{log.head}", str(position)))
        log.epoch, log.head = position
        log.entries.clear()
        log.keyed.clear()
        self._changed.set()

    def restore(self, channel: str, newest: Sequence[tuple[int, bytes]]) -> None:
        self.logs[channel].newest = [(offset, decode_entries(entry)[0][0]) for offset, entry in newest]

    def rotate(self, channel: str) -> None:
        raise AssertionError("only a backplane that is local rotates logs by itself")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that happens to these logs makes `condition` true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def has(self, channel: str, *events: str) -> None:
        """Wait until the log has told just these."""
        await self.until(lambda: len(self.logs[channel].told) >= len(events))
        assert self.logs[channel].events == list(events)

    def _open(self, channel: str) -> None:
        limits = Followed(
            channel,
            Position(f"local-{len(self.logs)}", 0),
            self._limits["seconds"],
            int(self._limits["max_bytes"]),
            int(self._limits["max_entries"]),
            channel in KEYED,
            channel in self._fixed,
        )
        self.logs[channel] = Log(limits, limits.position.epoch)


def entry_of(event: str) -> Entry:
    """An entry that only has a name."""
    return event, b"{}", None, None, None, None
