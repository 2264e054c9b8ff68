"""`/api/v1/clients`: the WebSocket connections, for administrators (H10)."""

import math
from typing import Any

from msgspec import Struct, to_builtins

from channels.permissions import Role
from hub.http.answers import HttpProblem
from hub.http.bodies import decode
from hub.http.endpoints import Call
from hub.protocol.errors import Refusal

MAX_CLIENTS = 10_000
MAX_DEADLINE = 3_600
"""Seconds that clients may be given to go."""


async def list_clients(call: Call) -> dict[str, Any]:
    """Connections of all nodes, newest first, those of this node before others; `?limit=`, `?role=`, `?user=`."""
    call.require(Role.ADMIN)
    role, user = (call.request.query_params.get(name) for name in ("role", "user"))
    limit = number(call, "limit", 100, 1, MAX_CLIENTS)
    connections, cluster = call.hub.connections, call.hub.cluster
    nodes = {call.hub.node: connections.count(role, user)}
    clients = connections.snapshot(limit, role, user)
    if cluster is not None:
        nodes.update(cluster.elsewhere.counts(role, user))
        clients += cluster.elsewhere.snapshot(limit - len(clients), role, user)
    last_seen = {} if user is None else {"last_seen": connections.last_seen.of(user)}
    return {"total": sum(nodes.values()), "nodes": nodes, "clients": clients, **last_seen}


async def kick(call: Call) -> dict[str, Any]:
    """Close one connection with 4010, wherever it is."""
    call.require(Role.ADMIN)
    conn = call.request.path_params["conn"]
    node = await call.hub.kick(conn)
    if node is None:
        raise _no_connection()
    call.hub.actions.record("admin.kick", call.identity, {"conn": conn})
    return {"conn": conn, "node": node, "kicked": True}


class Change(Struct):
    """What is to be another about a connection."""

    role: str


async def change(call: Call) -> dict[str, Any]:
    """Give one connection another role (C17), wherever it is; its session keeps it (R7)."""
    call.require(Role.ADMIN)
    conn, wanted = call.request.path_params["conn"], decode(await call.body(), Change)
    try:
        role = Role.parse(wanted.role)
    except ValueError as error:
        raise Refusal("bad_message", f"role: {error}", path="role") from None
    node = await call.hub.change_role(conn, role)
    if node is None:
        raise _no_connection()
    call.hub.actions.record("admin.role", call.identity, {"conn": conn, "to": role.value})
    return {"conn": conn, "node": node, "role": role.value}


def _no_connection() -> HttpProblem:
    return HttpProblem(404, "not_found", "no node has answered for an open connection of that id")


class Rebalance(Struct):
    """Seconds over which clients spread, after which those left are closed, and the share of them that is asked."""

    window: float = 20.0
    deadline: float = 30.0
    share: float = 1.0

    def check(self) -> None:
        """Raise 400 for what makes no sense."""
        for name, least, most in (("deadline", 0, MAX_DEADLINE), ("window", 0, self.deadline), ("share", 0, 1)):
            value = getattr(self, name)
            if not least <= value <= most or (name == "share" and value == 0):
                above = " above" if name == "share" else ""
                raise Refusal("bad_message", f"{name}: expected{above} {least} to {most:g}, came {value:g}", path=name)


async def rebalance(call: Call) -> dict[str, Any]:
    """Ask clients to reconnect (`goaway` with reason `rebalance`, M50), so that a balancer spreads them anew."""
    call.require(Role.ADMIN)
    body = await call.body()
    wanted = decode(body, Rebalance) if body else Rebalance()
    wanted.check()
    if wait := call.hub.rebalance(wanted.window, wanted.deadline, wanted.share):
        raise _busy(wait)
    asked = math.ceil(len(call.hub.connections) * wanted.share)
    call.hub.actions.record("admin.rebalance", call.identity, {**to_builtins(wanted), "asked": asked})
    return {"asked": asked, "connections": len(call.hub.connections), **to_builtins(wanted)}


def _busy(wait: float) -> HttpProblem:
    if math.isinf(wait):
        return HttpProblem(409, "conflict", "this node goes away, and has asked its clients to go")
    message = "expected the rebalance before to be over first"
    return HttpProblem(409, "conflict", message, temporary=True, retry_after=round(wait, 3))


def number(call: Call, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query, within its bounds."""
    text = call.request.query_params.get(name, str(default))
    if text.isascii() and text.isdecimal() and len(text) <= 18 and least <= int(text) <= most:
        return int(text)
    raise HttpProblem(
        400, "bad_message", f"{name}: expected {least} to {most}, came {text[:32]!r}", details={"path": name}
    )
