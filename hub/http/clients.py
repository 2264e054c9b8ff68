"""`/api/v1/clients`: the WebSocket connections, for administrators (H10)."""

from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins

from channels.permissions import Role
from hub.http.answers import HttpProblem
from hub.http.bodies import decode
from hub.http.endpoints import Call

MAX_CLIENTS = 10_000


async def list_clients(call: Call) -> dict[str, Any]:
    """Connections, newest first; `?limit=`, `?role=`."""
    call.require(Role.ADMIN)
    role = call.request.query_params.get("role")
    limit = number(call, "limit", 100, 1, MAX_CLIENTS)
    connections = call.hub.connections
    total = sum(count for name, count in connections.roles().items() if role in (None, name.value))
    return {"total": total, "clients": connections.snapshot(limit, role)}


async def kick(call: Call) -> dict[str, Any]:
    """Close one connection with 4010."""
    call.require(Role.ADMIN)
    conn = call.request.path_params["conn"]
    if not call.hub.connections.kick(conn):
        raise HttpProblem(404, "not_found", "no connection of that id is open here")
    call.hub.actions.record("admin.kick", call.identity, {"conn": conn})
    return {"conn": conn, "kicked": True}


class Rebalance(Struct, forbid_unknown_fields=True):
    """Seconds over which clients spread, after which those left are closed, and the share of them that is asked."""

    window: Annotated[float, Meta(ge=0, le=3_600)] = 20.0
    deadline: Annotated[float, Meta(ge=0, le=3_600)] = 30.0
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0


async def rebalance(call: Call) -> dict[str, Any]:
    """Ask clients to reconnect (`goaway` with reason `rebalance`, M50), so that a balancer spreads them anew."""
    call.require(Role.ADMIN)
    body = await call.body()
    wanted = decode(body, Rebalance) if body else Rebalance()
    if wanted.window > wanted.deadline:
        expected = f"window: expected at most the deadline, {wanted.deadline:g} s, came {wanted.window:g}"
        raise HttpProblem(400, "bad_message", expected)
    if not call.hub.rebalance(wanted.window, wanted.deadline, wanted.share):
        raise HttpProblem(409, "conflict", "expected the rebalance before to be over first", temporary=True)
    call.hub.actions.record("admin.rebalance", call.identity, to_builtins(wanted))
    return {"connections": len(call.hub.connections), **to_builtins(wanted)}


def number(call: Call, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query, within its bounds."""
    text = call.request.query_params.get(name, str(default))
    if text.isascii() and text.isdecimal() and len(text) <= 18 and least <= int(text) <= most:
        return int(text)
    raise HttpProblem(400, "bad_message", f"{name}: expected {least} to {most}, came {text[:32]!r}")
