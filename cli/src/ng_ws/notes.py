"""Everything that is not data goes to stderr: what happens to the connection, what was missed, hints, summaries."""

import contextlib
import sys
from typing import TextIO

from .escape import escaped
from .settings import Settings


class Notes:
    """Sentences for people; with `--quiet` only warnings, with `--verbose` details too."""

    def __init__(self, settings: Settings, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_quiet = settings.is_quiet
        self._is_verbose = settings.is_verbose
        self._has_color = settings.has_color and self._stream.isatty()

    def say(self, text: str) -> None:
        """Something that is good to know."""
        if not self._is_quiet:
            self._write(text, "2")

    def warn(self, text: str) -> None:
        """Something that went wrong, or data that is missing."""
        self._write(text, "33")

    def detail(self, text: str) -> None:
        """Something for who looks into it."""
        if self._is_verbose:
            self._write(text, "2")

    def _write(self, text: str, style: str) -> None:
        line = f"ng-ws: {escaped(text)}"
        # A stderr that nobody reads any more is no reason to stop.
        with contextlib.suppress(BrokenPipeError):
            print(f"\x1b[{style}m{line}\x1b[0m" if self._has_color else line, file=self._stream, flush=True)
