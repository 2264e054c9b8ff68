"""`/api/v1/stories` and `/api/v1/recorder`: what happened to connections, for administrators (G13, G19)."""

from typing import Any

import orjson

from channels.permissions import Role
from hub.http.answers import HttpProblem
from hub.http.clients import number
from hub.http.endpoints import Call
from hub.http.state import MAX_HISTORY
from hub.recorder import MOST_STORIES

MAX_NAME = 256
"""Bytes of a subject, which is the longest of the names."""
MAX_DUMPED = 10_000
LOGS = "logs"


async def stories(call: Call) -> dict[str, Any]:
    """Of a connection, a session or a subject, of all nodes, `?limit=` of each; open ones first, then the newest."""
    call.require(Role.ADMIN)
    name = call.request.path_params["name"]
    limit = number(call, "limit", 20, 1, MOST_STORIES)
    if len(name.encode()) > MAX_NAME:
        raise HttpProblem(400, "bad_message", f"name: expected at most {MAX_NAME} bytes, came {len(name.encode())}")
    found = call.hub.connections.recorder.stories(name, limit)
    silent: list[str] = []
    if call.hub.cluster is not None:
        elsewhere = await call.hub.cluster.stories.elsewhere(name, limit)
        found, silent = found + elsewhere.stories, elsewhere.silent
    if not found:
        text = f"nothing is known of {name[:64]!r}: no connection, session or user of that name is open or was lately"
        raise HttpProblem(404, "not_found", text)
    return {"stories": found, "silent": silent}


async def recorder(call: Call) -> dict[str, Any]:
    """The flight recorder of this node: its state, the newest of its log, and `?limit=` of its stories."""
    call.require(Role.ADMIN)
    limit = number(call, "limit", 1_000, 1, MAX_DUMPED)
    hub, settings = call.hub, call.hub.settings
    holder = hub.connections.recorder
    limits = {name: getattr(settings, f"recorder_{name}") for name in ("bytes", "ended", "seconds")}
    return {
        **hub.describe(),
        "recorder": {"limits": limits, **holder.size()},
        "logs": [orjson.Fragment(event) for event in _newest_logs(call)],
        "stories": holder.stories(limit=limit),
    }


def _newest_logs(call: Call) -> list[bytes]:
    status = call.hub.broker.status(LOGS)
    if status is None:
        return []
    _, _, head = status.position.rpartition(":")
    after = max(int(head) - MAX_HISTORY, status.first - 1, 0)
    return call.hub.broker.history(LOGS, after=after, limit=MAX_HISTORY)
