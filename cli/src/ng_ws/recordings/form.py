"""Lines of a recording, written and read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

from neurograph_ws_client import Gap

from ..escape import json_line
from ..exits import Exit, Failed
from ..render import Item, object_line

VERSION = 1


class Writer:
    """A renderer of recorded lines. `url`: without what is secret in it."""

    def __init__(self, url: str, channels: tuple[str, ...]) -> None:
        self._began = monotonic()
        self._header = {
            "type": "recording",
            "version": VERSION,
            "url": url,
            "channels": list(channels),
            "started": round(time(), 3),
        }

    def header(self) -> bytes:
        """What stands first."""
        return object_line(self._header)

    def __call__(self, item: Item) -> bytes:
        """An event or a gap, with the time at which it came."""
        t = f'"t":{monotonic() - self._began:.6f}'.encode()
        if isinstance(item, Gap):
            return b"{" + t + b',"gap":' + json_line(item.wire) + b"}\n"
        position = json.dumps(item.position).encode()
        return b"{" + t + b',"position":' + position + b',"event":' + json_line(item.wire) + b"}\n"


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
    """Read a recording line by line; what is none, or is broken, is told with its line."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                found = _read(path, number, line)
                if number == 1:
                    _check(path, found)
                else:
                    yield _recorded(path, number, found)
    except OSError as fault:
        raise Failed(Exit.USAGE, f"{path}: expected a readable recording: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise _broken(path, 1, "UTF-8", "other bytes") from fault


def _read(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as fault:
        raise _broken(path, number, "a JSON object", line) from fault
    if not isinstance(found, Mapping):
        raise _broken(path, number, "a JSON object", line)
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


def _broken(path: Path, number: int, expected: str, came: str, hint: str = "") -> Failed:
    shown = came.strip()
    cut = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return Failed(Exit.USAGE, f"{path}:{number}: expected {expected}, got {cut!r}", hint)
