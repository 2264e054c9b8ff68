"""Events for people: a line that says what and when, the data below it, signals with their novelty."""

import io
from collections.abc import Mapping
from typing import Any

from neurograph_ws_client import Event, Gap
from rich.console import Console
from rich.text import Text

from .escape import escaped
from .render import clock, compact_json
from .signal_text import signal_line

_FOUND = frozenset({"token_id", "is_novel", "neighbors"})
_CHANNEL_STYLES = ("cyan", "green", "magenta", "blue", "yellow")


class Pretty:
    """Renders items with rich; meaning is never told by colour alone."""

    def __init__(self, *, has_color: bool, width: int | None = None) -> None:
        self._buffer = io.StringIO()
        self._console = Console(
            file=self._buffer,
            force_terminal=has_color,
            no_color=not has_color,
            color_system="standard" if has_color else None,
            width=width,
            highlight=False,
            emoji=False,
            markup=False,
            soft_wrap=True,
        )
        self._styles: dict[str, str] = {}

    def render(self, item: Event[Any] | Gap) -> bytes:
        """Lines for one item."""
        self._console.print(self._gap(item) if isinstance(item, Gap) else self._event(item))
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.encode()

    def _gap(self, gap: Gap) -> Text:
        return Text(escaped(f"-- gap -- {gap}"), style="bold yellow")

    def _event(self, event: Event[Any]) -> Text:
        text = Text.assemble(
            (clock(event.ts), "dim"),
            " ",
            (escaped(event.channel), self._style_of(event.channel)),
            " ",
            (escaped(event.event), "bold"),
        )
        if event.key is not None:
            text.append(f" {escaped(event.key)}")
        text.append(f"  {event.position}", style="dim")
        for name, value in event.tags.items():
            text.append(f" {escaped(name)}={escaped(str(value))}", style="dim italic")
        text.append(f"\n  {_body(event.data)}")
        return text

    def _style_of(self, channel: str) -> str:
        """Channels keep the colour they got when they were first seen."""
        return self._styles.setdefault(channel, _CHANNEL_STYLES[len(self._styles) % len(_CHANNEL_STYLES)])


def _body(data: Any) -> str:
    """The data on one line; of a signal first what the core found."""
    if not isinstance(data, Mapping):
        return escaped(compact_json(data))
    if not data.keys() >= _FOUND:
        return _members(data)
    found = signal_line(data["token_id"], data["neighbors"] or [], is_novel=data["is_novel"] is True)
    return f"{found}  {_members({name: value for name, value in data.items() if name not in _FOUND})}"


def _members(data: Mapping[str, Any]) -> str:
    return escaped("  ".join(f"{name} {_value(value)}" for name, value in data.items()))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else compact_json(value)
