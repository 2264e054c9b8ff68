"""What `sub` is asked for: where to start, what to choose, how to show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from neurograph_ws_client import Last, Since, Start
from neurograph_ws_client.positions import Position

from .durations import since
from .exits import misused
from .notes import Notes
from .render import object_line
from .settings import Settings
from .stdout import put

Filter = Mapping[str, Any]

_STARTS = "new, snapshot, last:N, since:10m, since:2026-11-28T23:26:00 or a position like k3Fq:902"


@dataclass(frozen=True, slots=True)
class Listening:
    """The options of `sub`."""

    channels: tuple[str, ...] = ()
    start: Start | None = None
    filter: Filter | None = None
    # Whether the filter asks for vectors, which not every channel carries.
    is_near: bool = False
    delivery: Literal["all", "latest"] | None = None
    max_rate: float | None = None
    ack: int | None = None
    count: int | None = None
    duration: float | None = None
    fields: tuple[str, ...] = ()
    shows_rate: bool = False
    fail_on_gap: bool = False
    output: Path | None = None


def start_of(text: str | None, channels: int = 1) -> Start | None:
    """Read `--from`; a position is one of a single channel."""
    match text:
        case None:
            return None
        case "new" | "snapshot":
            return "new" if text == "new" else "snapshot"
        case str() if text.startswith("last:") and text[5:].isdecimal() and int(text[5:]) >= 1:
            return Last(int(text[5:]))
        case str() if text.startswith("since:"):
            return Since(since("--from", text[6:]))
        case str() if not text.startswith("last:") and _is_position(text):
            if channels == 1:
                return text
            raise misused("--from", "one channel with a position, each has its own", f"{text} and {channels} channels")
    raise misused("--from", _STARTS, text)


def _is_position(text: str) -> bool:
    try:
        Position.parse(text)
    except ValueError:
        return False
    return True


def check_last(start: Start | None, most: int) -> None:
    """`last:N` asks for no more than this hub replays (M24)."""
    if isinstance(start, Last) and start.n > most:
        raise misused("--from", f"last:1 to last:{most} at this hub", f"last:{start.n}")


def delivery_of(text: str | None) -> Literal["all", "latest"] | None:
    """Read `--delivery`."""
    match text:
        case None | "all" | "latest":
            return text
    raise misused("--delivery", "all or latest", text)


def fields_of(text: str | None) -> tuple[str, ...]:
    """Read `--fields`."""
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not names:
        raise misused("--fields", "names, comma between them", text)
    return names


# The distance of `--near` where none is told.
_NEARNESS = 0.12


@dataclass(frozen=True, slots=True)
class Choice:
    """The filter of `--filter` and `--near`; None where everything is wanted."""

    filter: Filter | None = None

    @classmethod
    def read(
        cls,
        settings: Settings,
        channels: tuple[str, ...],
        expression: str | None,
        near: str | None,
        radius: float | None,
    ) -> Self:
        """Read both; a bare name that is nearly a known one is told."""
        if radius is not None and near is None:
            raise misused("--radius", "--near, of what", f"{radius:g} alone")
        if expression is None and near is None:
            return cls()
        from neurograph_ws_client.expressions import joined  # noqa: PLC0415 - most listen to everything

        from .filters.fields import nearly_known  # noqa: PLC0415
        from .filters.reading import filter_of  # noqa: PLC0415
        from .filters.reading import near as near_to  # noqa: PLC0415

        parts = [near_to(near, _NEARNESS if radius is None else radius)] if near is not None else []
        if expression is not None:
            found, bare = filter_of(expression)
            parts.append(found)
            for name in bare:
                if (meant := nearly_known(name, channels)) is not None:
                    Notes(settings).warn(f"--filter: {name} is read as data.{name}; was {meant} meant?")
        return cls(joined(parts))

    def explain(self) -> None:
        """Show what the hub gets."""
        put(object_line(self.filter or {}))
