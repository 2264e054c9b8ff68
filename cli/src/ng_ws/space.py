"""`ng-ws tokens`: the tokens of the SignalSystem, and what lies near a text or a vector."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from neurograph_ws_client import encode_text

from .emit import vector_of
from .render import object_line
from .rest import call
from .settings import Format, Settings
from .tables import Row, rows_of, tell

_TOKEN = ("token_id", "event_type", "priority", "is_novel", "nearest_id", "nearest_dist", "weight", "created")
_NEIGHBOR = ("token_id", "event_type", "distance", "resonance")
_PLACES = 4


def tokens(settings: Settings, limit: int, wanted: Mapping[str, Any] | None = None) -> None:
    """The newest tokens, or those that a filter lets through, newest first."""
    query: dict[str, Any] = {"limit": limit}
    if wanted is not None:
        query["filter"] = object_line(wanted)
    found = rows_of(call(settings, "GET", f"/api/v1/tokens?{urlencode(query)}"), "tokens")
    tell(settings, _shown(settings, found), _TOKEN)


def near(settings: Settings, around: str, k: int, radius: float | None, *, is_text: bool = False) -> None:
    """The tokens nearest to 8 numbers, or to a text, which `is_text` says of what looks like numbers."""
    vector = None if is_text else vector_of(around)
    body: dict[str, Any] = {"vector": encode_text(around) if vector is None else vector, "k": k}
    if radius is not None:
        body["radius"] = radius
    found = rows_of(call(settings, "POST", "/api/v1/grid/neighbors", body), "neighbors")
    tell(settings, _shown(settings, found), _NEIGHBOR)


def _shown(settings: Settings, rows: Any) -> list[Row]:
    """For people numbers are short; for programs they are as they came."""
    if settings.format is Format.JSON:
        return list(rows)
    return [{name: _short(value) for name, value in row.items()} for row in rows]


def _short(value: Any) -> Any:
    return round(value, _PLACES) if isinstance(value, float) else value
