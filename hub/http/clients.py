"""`/api/v1/clients`: the WebSocket connections, for administrators (H10)."""

from typing import Any

from channels.permissions import Role
from hub.http.answers import HttpProblem
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


def number(call: Call, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query, within its bounds."""
    text = call.request.query_params.get(name, str(default))
    if text.isascii() and text.isdecimal() and len(text) <= 18 and least <= int(text) <= most:
        return int(text)
    raise HttpProblem(400, "bad_message", f"{name}: expected {least} to {most}, came {text[:32]!r}")
