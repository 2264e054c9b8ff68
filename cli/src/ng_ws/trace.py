"""`ng-ws trace`: an event found again by its position or its trace, and who was to get it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from neurograph_ws_client import HubError, PermissionDenied

from .escape import escaped
from .exits import Exit, Failed, misused
from .notes import Notes
from .receivers import Place, Receiver, receivers
from .render import compact_json, object_line
from .rest import call
from .settings import Format, Settings
from .stdout import put
from .tables import rows_of

_POSITION = re.compile(r"(?P<epoch>[A-Za-z0-9_-]+):(?P<offset>[1-9]\d{0,17})")
_TRACE = re.compile(r"(?:[0-9a-f]{2}-)?(?P<trace>[0-9a-f]{32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?")
SEARCHED = 1_000
"""Newest entries of each channel that are searched for a trace."""
STORIES = 10_000
_UNKNOWN = (
    "when it was written to each socket, whether a filter kept it back, and what the client did with it: "
    "the hub does not keep that (the client's journal= does)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """An event with its epoch."""

    epoch: str
    event: Mapping[str, Any]

    @property
    def place(self) -> Place:
        """Where and when."""
        return Place(str(self.event["channel"]), self.epoch, int(self.event["offset"]), float(self.event["ts"]))

    @property
    def position(self) -> str:
        """As the protocol writes it."""
        return f"{self.epoch}:{self.event['offset']}"


def trace(settings: Settings, name: str) -> None:
    """Tell of the event at a position, or of all with a trace id among the newest of each channel."""
    notes = Notes(settings)
    if (position := _POSITION.fullmatch(name)) is not None:
        events = [_at(settings, position["epoch"], int(position["offset"]))]
    elif (found := _TRACE.fullmatch(name.lower())) is not None:
        events = list(_with_trace(settings, notes, found["trace"]))
        if not events:
            text = f"no event with trace {found['trace']} among the newest {SEARCHED} of each channel"
            raise Failed(Exit.USAGE, text, "next: ng-ws history CHANNEL --last 1000 shows what is kept")
    else:
        raise misused("trace", "a position like k3Fq:902, or a traceparent or trace id of 32 hex digits", name)
    stories = _stories(settings, notes)
    for event in events:
        told = None if stories is None else receivers(event.place, stories)
        _tell(settings, event, told)
    notes.say(f"not known: {_UNKNOWN}")


def _channels(settings: Settings) -> list[Mapping[str, Any]]:
    """Those that may be read."""
    told = rows_of(call(settings, "GET", "/api/v1/channels"), "channels")
    return [one for one in told if "subscribe" in one.get("rights", ())]


def _at(settings: Settings, epoch: str, offset: int) -> Found:
    """The entry at a position; a position names no channel, but its epoch is of one only."""
    held = [one for one in _channels(settings) if str(one.get("position")).rpartition(":")[0] == epoch]
    if not held:
        hint = "next: ng-ws channels shows the positions of now; a channel that lost its past has a new epoch"
        raise Failed(Exit.USAGE, f"no channel that your role may read has the epoch {epoch}", hint)
    channel = held[0]
    events = _history(settings, str(channel["name"]), {"from": f"{epoch}:{offset - 1}", "limit": "1"})
    if not events or events[0].event["offset"] != offset:
        kept = f"{channel['name']} keeps {epoch}:{channel.get('first')} to {channel['position']}"
        raise Failed(Exit.USAGE, f"{epoch}:{offset} is not there: {kept}")
    return events[0]


def _with_trace(settings: Settings, notes: Notes, trace_id: str) -> Iterator[Found]:
    for channel in _channels(settings):
        try:
            events = _history(settings, str(channel["name"]), {"limit": str(SEARCHED)})
        except HubError as fault:
            notes.warn(f"{channel['name']} was not searched: {fault}")
            continue
        yield from (one for one in events if str(one.event.get("traceparent", ""))[3:35] == trace_id)


def _history(settings: Settings, channel: str, query: Mapping[str, str]) -> list[Found]:
    data = call(settings, "GET", f"/api/v1/channels/{quote(channel, safe='')}?{urlencode(query)}")
    epoch = str(data.get("position") or "").rpartition(":")[0]
    return [Found(epoch, event) for event in rows_of(data, "events")]


def _stories(settings: Settings, notes: Notes) -> list[Mapping[str, Any]] | None:
    """What the node that answers remembers of connections; None for a role that may not see it."""
    try:
        data = call(settings, "GET", f"/api/v1/recorder?limit={STORIES}")
    except PermissionDenied:
        notes.warn("who was to get it is told to role admin only")
        return None
    stories = list(rows_of(data, "stories"))
    limits = (data.get("recorder") or {}).get("limits") or {}
    if not limits.get("bytes"):
        notes.warn("the hub records no stories (NG_RECORDER_BYTES=0): who was to get it is not known")
    notes.say(
        f"by the recorder of {data.get('node')} alone: {len(stories)} connections, ended ones of the last "
        f"{limits.get('seconds', 0):g} s; other nodes have their own (--url)"
    )
    cut = sum(1 for story in stories if story.get("forgotten"))
    if cut:
        notes.warn(f"{cut} of these stories have lost records to their limit: they may say less than was")
    return stories


def _tell(settings: Settings, found: Found, told: list[Receiver] | None) -> None:
    if settings.format is Format.JSON:
        members: dict[str, Any] = {"position": found.position, "event": found.event}
        if told is not None:
            members["receivers"] = [asdict(one) for one in told]
        put(object_line(members))
        return
    put("".join(f"{escaped(line)}\n" for line in _lines(found, told)).encode())


def _lines(found: Found, told: list[Receiver] | None) -> Iterator[str]:
    event = found.event
    key = f", key {event['key']}" if event.get("key") is not None else ""
    yield f"{found.position}  {event['channel']} {event['event']}{key}"
    yield f"  {_clock(float(event['ts']))}  stored"
    node = event["data"].get("node") if isinstance(event.get("data"), Mapping) else None
    origin = [f"node {node}"] if node is not None else []
    origin += [f"traceparent {event['traceparent']}"] if event.get("traceparent") else []
    origin += [f"tags {compact_json(event['tags'])}"] if event.get("tags") else []
    yield f"  from          {', '.join(origin) or 'not recorded: no node, trace or tags stand in it'}"
    for one in told or ():
        who = f"{one.user or 'nobody'} as {one.role}{f', client {one.client}' if one.client else ''}"
        yield f"  {_clock(one.at)}  {one.conn} ({who}) {one.text}"
    if told is not None and not told:
        yield "  nobody that this node remembers followed the channel then"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]
