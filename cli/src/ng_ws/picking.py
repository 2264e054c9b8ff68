"""`ng-ws sub --fields`: of each event only some members."""

from collections.abc import Mapping
from typing import Any

from neurograph_ws_client import Event, Gap

from .escape import escaped
from .render import Item, Renderer, as_compact, as_json, compact_json, object_line

_OWN = ("channel", "event", "key", "offset", "position", "ts", "data")


def picker(fields: tuple[str, ...], *, is_json: bool) -> Renderer:
    """A renderer of these members; where one is missing it is `null`, or `-` between tabs."""

    def as_object(item: Item) -> bytes:
        if isinstance(item, Gap):
            return as_json(item)
        return object_line({name: _value(item, name) for name in fields})

    def between_tabs(item: Item) -> bytes:
        if isinstance(item, Gap):
            return as_compact(item, None)
        return ("\t".join(escaped(_text(_value(item, name))) for name in fields) + "\n").encode()

    return as_object if is_json else between_tabs


def _value(event: Event[Any], name: str) -> Any:
    """A bare name is of the data, unless it is one of the event's own: then `data.` reaches the data's."""
    if name in _OWN:
        return getattr(event, name)
    if name.startswith("tags."):
        return event.tags.get(name.removeprefix("tags."))
    return _within(event.data, name.removeprefix("data.").split("."))


def _within(value: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else compact_json(value)
