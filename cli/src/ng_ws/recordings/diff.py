"""`ng-ws diff`: what differs between two recordings of the same channels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from neurograph_ws_client.durations import shown

from ..escape import escaped
from ..exits import Exit
from ..notes import Notes
from ..render import clock, compact_json, object_line
from ..settings import Format, Settings
from ..stdout import put
from .form import Recorded, recorded

# Members by which two events are the same; `ts` and places are those of the hub.
_CONTENT = ("event", "key", "tags", "data", "content_type", "meta")
_MARKS = {"only_a": "<", "only_b": ">", "changed": "!"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One place at which two recordings differ."""

    channel: str
    what: str
    position_a: str | None = None
    position_b: str | None = None
    a: Mapping[str, Any] | None = None
    b: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Channel:
    """What a recording has of a channel."""

    events: list[Recorded]
    gaps: int = 0


def read(path: Path) -> dict[str, Channel]:
    """A recording by channel."""
    channels: dict[str, Channel] = {}
    for one in recorded(path):
        channel = channels.setdefault(one.channel, Channel([]))
        if one.event is None:
            channel.gaps += 1
        else:
            channel.events.append(one)
    return channels


def differences(name: str, a: Sequence[Recorded], b: Sequence[Recorded]) -> list[Difference]:
    """By place where both are of one history, else by content in order (a replay has places of its own)."""
    if _epochs(a) & _epochs(b):
        return _by_place(name, a, b)
    return _by_content(name, a, b)


def _epochs(events: Sequence[Recorded]) -> set[str]:
    return {str(one.position).partition(":")[0] for one in events}


def _by_place(name: str, a: Sequence[Recorded], b: Sequence[Recorded]) -> list[Difference]:
    first = {one.position: one for one in a}
    second = {one.position: one for one in b}
    found = []
    for position in [*first, *(other for other in second if other not in first)]:
        one, other = first.get(position), second.get(position)
        if one is None or other is None:
            found.append(_lone(name, one, other))
        elif _content(one) != _content(other):
            found.append(Difference(name, "changed", position, position, one.event, other.event))
    return found


def _by_content(name: str, a: Sequence[Recorded], b: Sequence[Recorded]) -> list[Difference]:
    matcher = SequenceMatcher(None, [_content(one) for one in a], [_content(one) for one in b], autojunk=False)
    found = []
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag != "equal":
            found += [_lone(name, one, None) for one in a[a1:a2]]
            found += [_lone(name, None, one) for one in b[b1:b2]]
    return found


def _lone(name: str, a: Recorded | None, b: Recorded | None) -> Difference:
    if a is not None:
        return Difference(name, "only_a", position_a=a.position, a=a.event)
    return Difference(name, "only_b", position_b=b.position if b else None, b=b.event if b else None)


def _content(one: Recorded) -> str:
    event = one.event or {}
    return json.dumps({name: event[name] for name in _CONTENT if name in event}, sort_keys=True)


def diff(settings: Settings, a: Path, b: Path) -> Exit:
    """Tell every difference; 0: none, 1: some, as `diff` does it."""
    first, second = read(a), read(b)
    total = 0
    notes = Notes(settings)
    for name in [*first, *(other for other in second if other not in first)]:
        one, other = first.get(name, Channel([])), second.get(name, Channel([]))
        found = differences(name, one.events, other.events)
        total += len(found)
        put(b"".join(_line(settings, difference) for difference in found))
        counts = f"{len(one.events)} and {len(other.events)} events, {len(found)} differences"
        notes.say(f"{name}: {counts}{_gaps(one, other)}")
        if pace := _pace(one.events, other.events):
            notes.detail(f"{name}: {pace}")
    return Exit.UNEXPECTED if total else Exit.OK


def _line(settings: Settings, one: Difference) -> bytes:
    if settings.format is Format.JSON:
        members = {name: getattr(one, name) for name in ("channel", "what", "position_a", "position_b", "a", "b")}
        return object_line({name: value for name, value in members.items() if value is not None})
    parts = [(mark, event) for mark, event in (("<", one.a), (">", one.b)) if event is not None]
    place = one.position_a or one.position_b
    lines = [f"{_MARKS[one.what]} {one.channel} {place}"] if one.what == "changed" else []
    for mark, event in parts:
        words = (clock(float(event.get("ts") or 0)), one.channel, place or "-", str(event["event"]))
        lines.append(f"{mark} {' '.join(words)} {compact_json(event.get('data'))}")
    return "".join(f"{escaped(line)}\n" for line in lines).encode()


def _gaps(a: Channel, b: Channel) -> str:
    return f"; {a.gaps} and {b.gaps} gaps" if a.gaps or b.gaps else ""


def _pace(a: Sequence[Recorded], b: Sequence[Recorded]) -> str:
    if len(a) < 2 or len(b) < 2:
        return ""
    return f"from first to last {shown(a[-1].t - a[0].t)} and {shown(b[-1].t - b[0].t)}"
