"""A client's log in the form that delivery is checked from (I0): one dict per line, given to the application."""

from collections.abc import Callable, Mapping
from time import monotonic_ns
from typing import Any, Literal

from .errors import NotWritten
from .masking import without_secrets

Line = dict[str, Any]
Write = Callable[[Line], Any]


class Journal:
    """Writes what went out and in, on which connection, what was handled and how connections ended.

    The messages in its lines are the client's own: read them, or write them away, but do not change them. What raises
    once is told and written no more: nothing that is delivered may depend on it.
    """

    def __init__(self, write: Write, report: Callable[[Exception], object]) -> None:
        self._take: Write | None = write
        self._report = report

    def message(self, conn: int, direction: Literal["in", "out"], message: Mapping[str, Any]) -> None:
        """A message went out, or came in."""
        self._write({"t": monotonic_ns(), "conn": conn, "dir": direction, "msg": without_secrets(message)})

    def handled(self, conn: int, channel: str, position: str) -> None:
        """The handler of an event has finished."""
        self._write({"t": monotonic_ns(), "conn": conn, "dir": "handled", "channel": channel, "position": position})

    def closed(self, conn: int, code: int) -> None:
        """A connection ended."""
        self._write({"t": monotonic_ns(), "conn": conn, "dir": "close", "code": code})

    def _write(self, line: Line) -> None:
        if self._take is None:
            return
        try:
            self._take(line)
        except Exception as fault:  # noqa: BLE001 - whatever the application raises is told
            self._take = None
            text = f"the journal raised and nothing more is written to it: {type(fault).__name__}: {fault}"
            error = NotWritten(text)
            error.__cause__ = fault
            self._report(error)
