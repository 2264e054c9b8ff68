"""What the hub is and has: `/api/v1/status`, `/metrics`, `/modules`, `/channels`, `/channels/{name}`."""

from typing import Any

import orjson

from channels.broker import MAX_LISTED, ChannelStatus, Position
from channels.buckets import Rate
from channels.config import granted
from channels.permissions import Right, Role
from hub.complaints import is_secret
from hub.config import Settings
from hub.http.clients import number
from hub.http.endpoints import Call
from hub.protocol.errors import Refusal
from hub.protocol.forms import POSITION_FORM, is_position
from hub.protocol.wording import came
from hub.quantities import Table
from hub.store_metrics import store_document

MAX_HISTORY = 1_000


async def status(call: Call) -> dict[str, Any]:
    """State, parts and figures; administrators and developers also see the backplane and the effective settings."""
    hub = call.hub
    parts = {name: _shape(health) for name, health in hub.health.report().items()}
    shown: dict[str, Any] = {**hub.describe(), "components": parts}
    if call.identity.role in (Role.ADMIN, Role.DEVELOPER):
        shown["backplane"] = store_document(hub.broker.backplane, hub.bus)
        shown["settings"] = effective(hub.settings)
    return shown


async def modules(call: Call) -> dict[str, Any]:
    """The parts of the hub, read-only (H1)."""
    return {"modules": [{"name": name, **_shape(health)} for name, health in call.hub.health.report().items()]}


async def metrics(call: Call) -> dict[str, Any]:
    """The figures that channel `metrics` carries, as they are now; for who may subscribe to it."""
    call.require_right("metrics", Right.SUBSCRIBE)
    return call.hub.metrics_reporter.snapshot()


async def channels(call: Call) -> dict[str, Any]:
    """Open channels on which the role has a right, at most `MAX_LISTED`; `complete`: whether these are all."""
    role, subject = call.identity.role, call.identity.subject
    shown = call.hub.broker.channels(MAX_LISTED + 1, lambda config, owner: bool(granted(config, owner, role, subject)))
    listed = [_channel(call, status) for status in shown[:MAX_LISTED]]
    return {"channels": listed, "complete": len(shown) <= MAX_LISTED}


async def history(call: Call) -> dict[str, Any]:
    """The recent past of one channel: `?from=<epoch>:<offset>`, `?limit=`; else the newest."""
    name = call.request.path_params["channel"]
    call.require_right(name, Right.SUBSCRIBE)
    limit = number(call, "limit", 100, 1, MAX_HISTORY)
    if not call.hub.broker.backplane.is_local:
        await call.hub.broker.catching_up.wait(name)
    found = call.hub.broker.status(name)
    if found is None:  # a namespace's channel that nobody uses at the moment
        return {"channel": name, "position": None, "events": [], "gap": None}
    after, gap = _start(call.request.query_params.get("from"), found, limit)
    policy = found.config.policies.get(call.identity.role)
    events = call.hub.broker.history(name, after, limit, policy)
    if policy is not None and gap is not None:
        gap["missed"] = None  # how many of them the role would have seen cannot be known
    return {
        "channel": name,
        "position": found.position,
        "events": [orjson.Fragment(event) for event in events],
        "gap": gap,
    }


def _start(wanted: str | None, found: ChannelStatus, limit: int) -> tuple[int, dict[str, Any] | None]:
    """The offset to read after, and what lies between the position asked for and the first event that is left."""
    epoch, head = Position.parse(found.position)
    if wanted is None:
        return max(head - limit, found.first - 1, 0), None
    if not is_position(wanted):
        raise Refusal("bad_position", f"from: expected {POSITION_FORM}, came {came(wanted)}", path="from")
    asked_epoch, asked = Position.parse(wanted)
    oldest = max(found.first - 1, 0)
    if asked_epoch != epoch or asked > head:
        return oldest, {"from": wanted, "to": f"{epoch}:{oldest}", "missed": None, "reason": "epoch"}
    if asked < oldest:
        missed = oldest - asked
        return oldest, {"from": f"{epoch}:{asked}", "to": f"{epoch}:{oldest}", "missed": missed, "reason": "retention"}
    return asked, None


def _channel(call: Call, status: ChannelStatus) -> dict[str, Any]:
    rights = call.hub.catalog.rights(status.name, call.identity.role, call.identity.subject)
    config = status.config
    return {
        "name": status.name,
        "position": status.position,
        "first": status.first,
        "entries": status.entries,
        "bytes": status.bytes,
        "subscribers": status.subscribers,
        "appended": status.appended,
        "delivery": config.delivery,
        "on_slow": config.on_slow,
        **({"log": "memory"} if status.disk_bytes is None else {"log": "durable", "disk_bytes": status.disk_bytes}),
        "retention": {
            "seconds": config.retention.seconds,
            "bytes": config.retention.max_bytes,
            "last_per_key": config.retention.last_per_key,
        },
        "rights": [right.value for right in Right if right in rights],
    }


def effective(settings: Settings) -> dict[str, Any]:
    """Every setting as it holds, secrets as `***`, tables of the file by the names in them."""
    shown: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if is_secret(field):
            shown[name] = "***" if value else None
        elif field.annotation == Table:
            shown[name] = sorted(value)
        else:
            shown[name] = _plain(value)
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, Rate):
        return f"{value.capacity:.9g}/{value.refill:.9g}"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [str(item) for item in value] if isinstance(value, tuple) else str(value)


def _shape(health: Any) -> dict[str, Any]:
    return {"state": health.state.value, **({"detail": health.detail} if health.detail else {})}
