"""Objects of the hub's REST interface as tables, lines and JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from .escape import escaped
from .render import compact_json, object_line
from .settings import Format, Settings
from .stdout import put

Row = Mapping[str, Any]


def rows_of(data: Any, member: str) -> Sequence[Row]:
    """The rows of an answer; a map of them gives each its name."""
    rows = data.get(member, []) if isinstance(data, Mapping) else data
    if isinstance(rows, Mapping):
        return [{"name": name, **about} for name, about in rows.items()]
    return [row for row in rows if isinstance(row, Mapping)]


def flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """`part.member value` pairs of nested objects, in their order."""
    pairs: list[tuple[str, str]] = []
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            pairs += flat(value, f"{prefix}{name}.")
        else:
            pairs.append((escaped(f"{prefix}{name}"), text(value)))
    return pairs


def text(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return escaped(" ".join(value))
    return escaped(value if isinstance(value, str) else compact_json(value))


def tell(settings: Settings, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """All rows: as JSON with everything, else the columns that people look at."""
    match settings.format:
        case Format.JSON:
            put(b"".join(map(object_line, rows)))
        case Format.COMPACT | Format.RAW:
            lines = (" ".join(text(row[name]) for name in columns if name in row) for row in rows)
            put("".join(f"{line}\n" for line in lines).encode())
        case Format.PRETTY:
            _draw(settings, rows, [name for name in columns if any(name in row for row in rows)])


def _draw(settings: Settings, rows: Sequence[Row], names: Sequence[str]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only loaded where it draws
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(escaped(name), overflow="fold", no_wrap=name in {"name", "position", "id"})
    for row in rows:
        table.add_row(*(text(row.get(name, "")) for name in names))
    console = Console(no_color=not settings.has_color, markup=False, emoji=False, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    put(drawn.get().encode())
