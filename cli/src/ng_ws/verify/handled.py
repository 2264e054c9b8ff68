"""What a stream handled of one epoch: offsets that nearly always rise, each with the line that tells it."""

from array import array
from bisect import bisect_left


class Handled:
    """Sixteen bytes an entry, found by bisection."""

    __slots__ = ("_lines", "_offsets")

    def __init__(self) -> None:
        self._offsets = array("q")
        self._lines = array("q")

    @property
    def last(self) -> int:
        """The largest offset, or 0."""
        return self._offsets[-1] if self._offsets else 0

    def line_of(self, offset: int) -> int:
        """The line that told it; 0 where none did."""
        at = bisect_left(self._offsets, offset)
        return self._lines[at] if at < len(self._offsets) and self._offsets[at] == offset else 0

    def add(self, offset: int, line: int) -> None:
        """Take in one that is not there yet."""
        if offset > self.last:
            self._offsets.append(offset)
            self._lines.append(line)
            return
        at = bisect_left(self._offsets, offset)
        self._offsets.insert(at, offset)
        self._lines.insert(at, line)
