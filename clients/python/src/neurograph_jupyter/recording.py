"""What `--path FILE` keeps of a session: the events that were followed, in the form of `ng-ws record`."""

import json
from collections import defaultdict, deque
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

from neurograph_ws_client import Event, Gap, recordings
from neurograph_ws_client.recordings import RecordingError

from .errors import NotebookError

MAX_KEPT = 10_000
"""Newest events of each channel that are read back."""
MAX_BYTES = 64 << 20
"""What the file may become; more is counted in `left_out`."""


class Recording:
    """A file that is read once and then written on. Of media all but the bytes is kept."""

    def __init__(self, path: Path, url: str, most: int = MAX_BYTES) -> None:
        self.path = path
        self.left_out = 0
        self._most = most
        self._began = monotonic()
        self._past: defaultdict[str, deque[Event[Any]]] = defaultdict(lambda: deque(maxlen=MAX_KEPT))
        self._positions: set[tuple[str, str]] = set()
        try:
            is_new = not path.exists() or path.stat().st_size == 0
            if not is_new:
                self._read()
            self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)
        except (OSError, RecordingError) as fault:
            text = fault.strerror if isinstance(fault, OSError) else fault
            raise NotebookError(f"--path {path}: expected a recording, or a file to write: {text}") from fault
        self._bytes = 0 if is_new else path.stat().st_size
        if is_new:
            self._write(recordings.header(url, ()))

    def add(self, item: Event[Any] | Gap) -> None:
        """Keep an event or a gap; one that is kept already is not kept twice."""
        if isinstance(item, Event):
            place = (item.channel, item.position)
            if place in self._positions:
                return
            self._remember(item)
        self._write(recordings.line(monotonic() - self._began, item))

    def past(self, channel: str) -> list[Event[Any]]:
        """What is known of a channel, oldest first."""
        return list(self._past[channel])

    def close(self) -> None:
        """Write nothing more."""
        self._file.close()

    def __repr__(self) -> str:
        left = f", {self.left_out} left out" if self.left_out else ""
        return f"<Recording {self.path.name} {sum(map(len, self._past.values()))} events{left}>"

    def _read(self) -> None:
        for one in recordings.recorded(self.path):
            if one.event is not None and one.position is not None:
                self._remember(Event(one.event, one.position.partition(":")[0]))

    def _remember(self, event: Event[Any]) -> None:
        kept = self._past[event.channel]
        if len(kept) == MAX_KEPT:
            self._positions.discard((event.channel, kept[0].position))
        kept.append(event)
        self._positions.add((event.channel, event.position))

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, separators=(",", ":")) + "\n"
        if self._file.closed or self._bytes + len(text) > self._most:
            self.left_out += 1
            return
        self._file.write(text)
        self._bytes += len(text)
