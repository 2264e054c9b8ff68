"""Recordings: what channels carried, one JSON object a line, with positions and times.

The first line is `{"type":"recording","version":1,"url":…,"channels":[…],"started":…}`; each other one is
`{"t":seconds,"position":…,"event":{…}}` or `{"t":seconds,"gap":{…}}`, the objects as the hub sent them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

from .events import Event, Gap

VERSION = 1


class RecordingError(ValueError):
    """A file that is no recording, or a broken one: what was expected and what came, with its line."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def header(url: str, channels: Sequence[str]) -> dict[str, Any]:
    """What stands first. `url`: without what is secret in it."""
    return {
        "type": "recording",
        "version": VERSION,
        "url": url,
        "channels": list(channels),
        "started": round(time(), 3),
    }


def line(t: float, item: Event[Any] | Gap) -> dict[str, Any]:
    """An event or a gap that came `t` seconds after the start; of media all but the bytes."""
    if isinstance(item, Gap):
        return {"t": round(t, 6), "gap": item.message}
    return {"t": round(t, 6), "position": item.position, "event": json.loads(item.wire)}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line: an event with its position, or a gap."""

    line: int
    t: float
    position: str | None
    event: Mapping[str, Any] | None
    gap: Mapping[str, Any] | None

    @property
    def channel(self) -> str:
        """Where it came from."""
        return str((self.event or self.gap or {}).get("channel"))


def recorded(path: Path) -> Iterator[Recorded]:
    """Read a recording line by line; RecordingError tells of what is none, or is broken, with its line."""
    try:
        with path.open(encoding="utf-8") as file:
            number = 0
            for number, text in enumerate(file, 1):
                found = _read(path, number, text)
                if number == 1:
                    _check(path, found)
                else:
                    yield _recorded(path, number, found)
            if not number:
                _check(path, {})
    except OSError as fault:
        raise RecordingError(f"{path}: expected a readable recording: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise _broken(path, 1, "UTF-8", "other bytes") from fault


def _read(path: Path, number: int, text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as fault:
        if number > 1 and not text.endswith("\n"):
            hint = f"next: what is whole: head -n {number - 1} {path}"
            raise _broken(path, number, "a whole line, which this last one was to be", text, hint) from fault
        raise _broken(path, number, "a JSON object", text) from fault
    if not isinstance(found, Mapping):
        raise _broken(path, number, "a JSON object", text)
    return found


def _check(path: Path, found: Mapping[str, Any]) -> None:
    if found.get("type") != "recording" or found.get("version") != VERSION:
        expected = f'{{"type":"recording","version":{VERSION},…}} first'
        raise _broken(path, 1, expected, json.dumps(found), "next: ng-ws record FILE CHANNEL… makes one")


def _recorded(path: Path, number: int, found: Mapping[str, Any]) -> Recorded:
    t, event, gap = found.get("t"), found.get("event"), found.get("gap")
    is_whole = isinstance(t, int | float) and not isinstance(t, bool)
    one = event if event is not None else gap
    if not is_whole or not isinstance(one, Mapping) or not isinstance(one.get("channel"), str):
        raise _broken(path, number, "t, and event with its position or gap", json.dumps(found))
    if event is not None and not (isinstance(found.get("position"), str) and isinstance(event.get("event"), str)):
        raise _broken(path, number, "an event with its name and position", json.dumps(found))
    return Recorded(number, float(t), found.get("position"), event, gap)  # type: ignore[arg-type]  # checked above


def _broken(path: Path, number: int, expected: str, came: str, hint: str = "") -> RecordingError:
    shown = came.strip()
    cut = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return RecordingError(f"{path}:{number}: expected {expected}, got {cut!r}", hint)
