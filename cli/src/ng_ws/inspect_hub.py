"""`ng-ws status`, `channels`, `conns`: what the hub says about itself over REST."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from neurograph_ws_client import UnknownChannel

from .escape import escaped
from .render import compact_json, object_line
from .rest import call
from .settings import Format, Settings
from .stdout import put

Row = Mapping[str, Any]

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
        put("".join(f"{name:<24} {value}\n" for name, value in _flat(shown)).encode())


def channels(settings: Settings, channel: str | None) -> None:
    """The channels the role may see, with positions and subscribers."""
    data = call(settings, "GET", "/api/v1/channels")
    rows = [row for row in _rows(data, "channels") if channel in {None, row.get("name")}]
    if channel is not None and not rows:
        raise UnknownChannel(f"{channel} is not among the channels of your role", code=404, error="unknown_channel")
    _tell(settings, rows, _CHANNEL_COLUMNS)


def conns(settings: Settings, role: str | None, kick: str | None) -> None:
    """The connections of the hub, for administrators; or close one."""
    if kick is not None:
        _tell(settings, [call(settings, "DELETE", f"/api/v1/clients/{quote(kick, safe='')}")], ("conn", "kicked"))
        return
    query = f"?{urlencode({'role': role})}" if role else ""
    _tell(settings, _rows(call(settings, "GET", f"/api/v1/clients{query}"), "clients"), _CONNECTION_COLUMNS)


def _rows(data: Any, member: str) -> Sequence[Row]:
    rows = data.get(member, []) if isinstance(data, Mapping) else data
    if isinstance(rows, Mapping):
        return [{"name": name, **about} for name, about in rows.items()]
    return [row for row in rows if isinstance(row, Mapping)]


def _flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """`part.member value` pairs of nested objects, in their order."""
    pairs: list[tuple[str, str]] = []
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((escaped(f"{prefix}{name}"), _text(value)))
    return pairs


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return escaped(" ".join(value))
    return escaped(value if isinstance(value, str) else compact_json(value))


def _tell(settings: Settings, rows: Sequence[Row], columns: Sequence[str]) -> None:
    match settings.format:
        case Format.JSON:
            put(b"".join(map(object_line, rows)))
        case Format.COMPACT:
            lines = (" ".join(_text(row[name]) for name in columns if name in row) for row in rows)
            put("".join(f"{line}\n" for line in lines).encode())
        case Format.PRETTY:
            _table(settings, rows, [name for name in columns if any(name in row for row in rows)])


def _table(settings: Settings, rows: Sequence[Row], names: Sequence[str]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only loaded where it draws
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(escaped(name), overflow="fold", no_wrap=name in {"name", "position", "id"})
    for row in rows:
        table.add_row(*(_text(row.get(name, "")) for name in names))
    console = Console(no_color=not settings.has_color, markup=False, emoji=False, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    put(drawn.get().encode())
