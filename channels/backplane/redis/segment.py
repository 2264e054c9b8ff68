"""Segments: what one append stored, as nodes hear of it and as the stream holds it.

On `ng:{c}:live` a segment is: version (1 byte), then epoch, its name, the name of the segment before it and the node,
each after its length (1 byte), the first offset (8 bytes), the number of entries (2 bytes) and of their bytes
(4 bytes), little-endian; then the entries. None says that a history begins.

The name of a segment is the id of its batch, a dot, and the beginning of the replication id of the master that stored
it: a batch that is sent again to another master, after other entries, has another name there. So two logs that have a
segment of one name at one place are the same up to there, and what names the segment before it says whether it follows.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple

VERSION = 2
MAX_COUNT = 65_535
MAX_OFFSET = 2**53

_place = Struct("<QHI")


class UnreadableError(ValueError):
    """Bytes that are no segment of this version (N17)."""


class Segment(NamedTuple):
    """Entries with consecutive offsets of one epoch, in the bytes of `encode_entries`."""

    epoch: str
    first: int
    length: int
    """Entries."""
    batch: str
    """Its name."""
    entries: bytes
    before: str = ""
    """The name of the segment before it; empty at the beginning of an epoch, or if that is not known."""

    @property
    def last(self) -> int:
        """Offset of the last entry."""
        return self.first + self.length - 1


def is_by(batch: str, replid: str) -> bool:
    """Whether the segment of this name was stored by the master of that replication id."""
    _, dot, writer = batch.rpartition(".")
    return bool(dot and writer) and replid.startswith(writer)


def read_segment(payload: bytes) -> Segment:
    """What a node hears; raises `UnreadableError`."""
    try:
        if payload[0] != VERSION:
            raise UnreadableError(f"expected version {VERSION} of segments, came {payload[0]}")
        texts, at = [], 1
        for _ in range(4):
            end = at + 1 + payload[at]
            texts.append(payload[at + 1 : end].decode("ascii"))
            at = end
        first, count, size = _place.unpack_from(payload, at)
    except UnreadableError:
        raise
    except Exception as error:
        raise UnreadableError(f"expected a segment, came {len(payload)} bytes of something else") from error
    entries = payload[at + _place.size :]
    if len(entries) != size:
        raise UnreadableError(f"expected entries of {size} bytes, came {len(entries)}")
    return _checked(Segment(texts[0], first, count, texts[1], entries, texts[2]))


def read_stored(item: Sequence[Any]) -> Segment:
    """What the stream holds: (id, members); raises `UnreadableError`. The id alone is `last_of`."""
    try:
        fields = item[1]
        members = dict(zip(fields[::2], fields[1::2], strict=True))
        segment = Segment(
            members[b"epoch"].decode("ascii"),
            int(members[b"first"]),
            int(members[b"count"]),
            members[b"batch"].decode("ascii"),
            members[b"entries"],
            members.get(b"before", b"").decode("ascii"),
        )
    except Exception as error:
        raise UnreadableError("expected a segment in the stream, came something else") from error
    return _checked(segment)


def last_of(item: Sequence[Any]) -> int:
    """Offset of the last entry of what the stream holds, by its id."""
    return int(item[0].partition(b"-")[0])


def _checked(segment: Segment) -> Segment:
    if not (4 <= len(segment.epoch) <= 16 and 1 <= segment.first <= MAX_OFFSET and segment.length <= MAX_COUNT):
        raise UnreadableError(
            f"expected a place, came {segment.epoch[:16]!r}:{segment.first} and {segment.length} more"
        )
    if segment.length == 0 and segment.entries:
        raise UnreadableError("expected no entries where the count is 0")
    return segment
