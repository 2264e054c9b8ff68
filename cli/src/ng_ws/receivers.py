"""Who was to get an event, by the stories of a node's flight recorder. No connections, no output.

A story tells when a connection began to follow a channel and from where, when it stopped, and which gaps it was told.
It does not tell when a single event was written, nor whether a filter let it through, nor what became of it at the
client: a verdict says no more than that.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]
Story = Mapping[str, Any]

_SUBSCRIBED = re.compile(r"\S+ from (?P<epoch>[^:\s]+):(?P<offset>\d+), \d+ behind, (?P<delivery>all|latest)")
_GAP = re.compile(r"\S+ (?P<old>[^:\s]+):(?P<from>\d+) to (?P<epoch>[^:\s]+):(?P<to>\d+), .*\((?P<reason>\w+)\)$")
_ENDS = frozenset({"closing", "ended"})
CLOSE = 1.0
"""Seconds: of a connection that ended so soon after the event was stored, nobody knows what it still got."""

SKEW = 0.05
"""Seconds that the recorder's clock and that of the log may be apart."""


@dataclass(frozen=True, slots=True)
class Place:
    """An entry: where it is stored, and when it was (seconds since 1970, the hub's clock)."""

    channel: str
    epoch: str
    offset: int
    ts: float


@dataclass(frozen=True, slots=True)
class Receiver:
    """A connection that has to do with an entry. `at`: when that was decided, seconds since 1970."""

    conn: str
    user: str | None
    role: str | None
    client: str
    verdict: str
    text: str
    at: float


@dataclass(slots=True)
class _Following:
    """From one `subscribed` to what ended it."""

    since: float
    epoch: str
    offset: int
    is_latest: bool
    until: float | None = None
    gap: tuple[float, str] | None = None


def receivers(place: Place, stories: Iterable[Story]) -> list[Receiver]:
    """Of each story that followed the channel at the time, or was told a gap over the entry; in order of time."""
    found = [one for story in stories if (one := _receiver(place, story)) is not None]
    return sorted(found, key=lambda one: one.at)


def _receiver(place: Place, story: Story) -> Receiver | None:
    followings = _followings(place, story.get("records") or [])
    judged = [found for one in followings if (found := _judged(place, one)) is not None]
    if not judged:
        return None
    # A later subscription may have got what an earlier one missed: what it was to get counts before what it missed.
    verdict, text, at = min(judged, key=lambda one: _ORDER.index(one[0]))
    client = " ".join(map(str, (story.get("client") or {}).values()))
    return Receiver(str(story.get("conn")), story.get("user"), story.get("role"), client, verdict, text, at)


_ORDER = ("due", "replayed", "perhaps", "unknown", "missed")


def _followings(place: Place, records: Sequence[Record]) -> list[_Following]:
    found: list[_Following] = []
    for record in records:
        kind, text, at = record["kind"], str(record["text"]), float(record["at"])
        began = _SUBSCRIBED.match(text) if kind == "subscribed" else None
        is_of_channel = text.partition(" ")[0] == place.channel
        if found and found[-1].until is None:
            if kind in _ENDS or (is_of_channel and kind in {"subscribed", "unsubscribed"}):
                found[-1].until = at
            elif is_of_channel and kind == "gap" and (gap := _GAP.match(text)) is not None:
                _take_gap(place, found[-1], gap, at)
        if began is not None and is_of_channel:
            found.append(_Following(at, began["epoch"], int(began["offset"]), began["delivery"] == "latest"))
    return found


def _take_gap(place: Place, one: _Following, gap: "re.Match[str]", at: float) -> None:
    """A gap into the entry's epoch covers it, or is where the following goes on from."""
    if gap["epoch"] != place.epoch:
        return
    begins = int(gap["from"]) if gap["old"] == place.epoch else -1
    if begins < place.offset <= int(gap["to"]):
        one.gap = (at, gap["reason"])
    elif one.epoch != place.epoch:
        one.epoch, one.offset = place.epoch, int(gap["to"])


def _judged(place: Place, one: _Following) -> tuple[str, str, float] | None:
    if one.gap is not None:
        at, reason = one.gap
        return "missed", f"was told that it misses it ({reason})", at
    if one.epoch != place.epoch or one.offset >= place.offset:
        return None
    if one.until is not None and one.until < place.ts - SKEW:
        return None
    at = max(one.since, place.ts)
    if one.until is not None and one.until - at < CLOSE:
        return "unknown", "followed it, and ended at that moment: what it still got is not known", at
    if one.is_latest:
        return "perhaps", "was to get it, or a newer entry of its key in its place (latest)", at
    if one.since > place.ts:
        return "replayed", "was to get it as a replay", at
    return "due", "was to get it as it was stored", at
