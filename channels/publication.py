"""What is published, and where it was stored."""

from dataclasses import dataclass
from typing import NamedTuple, Self


class Content(NamedTuple):
    """What a payload is that is no plain JSON, or of which more was said (B4-B7)."""

    media_type: str
    encoding: str | None = None
    """One of `CONTENT_ENCODINGS`."""
    meta: bytes | None = None
    """JSON text of an object (B6)."""


PlainEntry = tuple[str, bytes, str | None, bytes | None, str | None, str | None]
ContentEntry = tuple[str, bytes, str | None, bytes | None, str | None, str | None, tuple[str, str | None, bytes | None]]
Entry = PlainEntry | ContentEntry
"""(event, data JSON, key, tags JSON, traceparent, tracestate): what a log takes; with `Content`, data is a payload."""


class Position(NamedTuple):
    """The place just after one entry of a log (PROTOCOL.md, section 1)."""

    epoch: str
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`text` must have the form of P2 (`hub.protocol.forms.is_position`)."""
        epoch, _, offset = text.rpartition(":")
        return cls(epoch, int(offset))

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    def reaches(self, other: "Position") -> bool:
        """Whether this place is at or after the other one; those of different epochs cannot be compared (P2)."""
        return self.epoch == other.epoch and self.offset >= other.offset


@dataclass(slots=True)
class Publication:
    """One event on its way to a channel. Its form and JSON were checked (M16, M29): neither is looked into again."""

    channel: str
    event: str
    data: bytes
    key: str | None = None
    tags: bytes | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    subject: str = ""
    """Scope of `mid` (M31): the subject, or the session of an anonymous connection."""
    mid: str | None = None
    content: Content | None = None
    """What `data` is, where that is no plain JSON."""

    @property
    def entry(self) -> Entry:
        """What the log keeps of it."""
        plain = self.event, self.data, self.key, self.tags, self.traceparent, self.tracestate
        return plain if self.content is None else (*plain, self.content)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a publication is. `duplicate`: it had been stored before, under the same `mid` (M31)."""

    position: str
    duplicate: bool = False
