"""`ng-ws status`, `channels`, `conns`, `history`, `debug dump`: what the hub says about itself over REST."""

from typing import Any
from urllib.parse import quote, urlencode

from neurograph_ws_client import UnknownChannel
from neurograph_ws_client.events import Event

from .exits import Exit, Failed
from .notes import Notes
from .render import object_line, renderer
from .rest import call
from .roles import check_role
from .settings import Format, Settings
from .stdout import put
from .tables import flat, rows_of, tell

# What a person wants to see first; --format json has everything.
_CHANNEL_COLUMNS = ("name", "position", "entries", "subscribers", "delivery", "on_slow", "rights")
_CONNECTION_COLUMNS = ("id", "user", "role", "address", "state", "subscriptions")


def status(settings: Settings) -> None:
    """Health and figures of the hub."""
    data = call(settings, "GET", "/api/v1/status")
    if settings.format is Format.JSON:
        put(object_line(data))
    else:
        # The settings fill screens; who looks into them says so.
        shown = {name: value for name, value in data.items() if settings.is_verbose or name != "settings"}
        put("".join(f"{name:<24} {value}\n" for name, value in flat(shown)).encode())


def channels(settings: Settings, channel: str | None) -> None:
    """The channels the role may see, with positions and subscribers."""
    data = call(settings, "GET", "/api/v1/channels")
    rows = [row for row in rows_of(data, "channels") if channel in {None, row.get("name")}]
    if channel is not None and not rows:
        raise UnknownChannel(f"{channel} is not among the channels of your role", code=404, error="unknown_channel")
    tell(settings, rows, _CHANNEL_COLUMNS)


def conns(settings: Settings, role: str | None, user: str | None, kick: str | None) -> None:
    """The connections of the hub, for administrators; or close one."""
    check_role(role, has_anonymous=True)
    if kick is not None:
        try:
            closed = call(settings, "DELETE", f"/api/v1/clients/{quote(kick, safe='')}")
        except UnknownChannel as fault:
            raise Failed(Exit.USAGE, f"{kick}: {fault.message}", "next: ng-ws conns shows who is there") from fault
        tell(settings, [closed], ("conn", "kicked"))
        return
    wanted = {name: value for name, value in (("role", role), ("user", user)) if value is not None}
    query = f"?{urlencode(wanted)}" if wanted else ""
    rows = rows_of(call(settings, "GET", f"/api/v1/clients{query}"), "clients")
    if rows:
        tell(settings, rows, _CONNECTION_COLUMNS)
    else:
        of = "".join(f" of {name} {value}" for name, value in wanted.items())
        Notes(settings).say(f"no open connections{of}; ng-ws explain ID knows those that have ended")


def history(settings: Settings, channel: str, last: int, start: str | None) -> None:
    """The newest entries of a channel, or those after a position; what is no longer kept is told."""
    query = {"limit": str(last), **({} if start is None else {"from": start})}
    data = call(settings, "GET", f"/api/v1/channels/{quote(channel, safe='')}?{urlencode(query)}")
    epoch = str(data.get("position") or "").partition(":")[0]
    gap = data.get("gap")
    if gap is not None:
        missed = "an unknown number of entries" if gap["missed"] is None else f"{gap['missed']} entries"
        Notes(settings).warn(f"{channel}: {missed} missed ({gap['reason']}), {gap['from']} to {gap['to']}")
    render = renderer(settings)
    put(b"".join(render(Event[Any](event, epoch)) for event in rows_of(data, "events")))


def dump(settings: Settings, limit: int, output: str | None) -> None:
    """The flight recorder of a node: its state, its log, and the stories of connections, one object a line."""
    data = call(settings, "GET", f"/api/v1/recorder?limit={limit}")
    logs, stories = rows_of(data, "logs"), rows_of(data, "stories")
    state = {name: value for name, value in data.items() if name not in {"logs", "stories"}}
    lines = [{"what": "node", **state}, *({"what": "log", **one} for one in logs)]
    content = b"".join(map(object_line, [*lines, *({"what": "story", **one} for one in stories)]))
    if output is None:
        put(content)
    else:
        try:
            with open(output, "wb") as file:
                file.write(content)
        except OSError as fault:
            text = f"--output: expected a file to write, got {output}: {fault.strerror}"
            raise Failed(Exit.USAGE, text) from fault
    Notes(settings).say(f"{data.get('node')}: {len(logs)} lines of its log, {len(stories)} stories")
