"""`/api/v1/tokens` and `/api/v1/connections`: tokens of the SignalSystem, and connections between them (H5, H6)."""

from array import array
from asyncio import to_thread
from functools import partial
from typing import Any, Protocol

from channels.permissions import Role
from hub.http.clients import number
from hub.http.endpoints import Call
from hub.http.space import (
    MAX_ID,
    Body,
    asked,
    body_of,
    found,
    id_of,
    listed,
    may_read,
    missing,
    page,
    pay_change,
    pay_looking,
)
from hub.protocol.errors import Refusal
from hub.session.sieving import read_filter


class NewToken(Body):
    """A token at a place."""

    vector: list[float]
    event_type: str = "token"
    weight: float = 1.0
    priority: int = 128


class NewTokens(Body):
    """Many at once: all or none."""

    vectors: list[list[float]]
    event_type: str = "token"


class TokenChange(Body):
    """What becomes different; what is not given stays."""

    vector: list[float] | None = None
    weight: float | None = None
    priority: int | None = None


class NewConnection(Body):
    """Two live tokens."""

    token_a: int
    token_b: int
    kind: str = "similar"
    pull_strength: float = 1.0


class ConnectionChange(Body):
    """Another strength."""

    pull_strength: float


class _Shown(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


def _shown(thing: _Shown) -> dict[str, Any]:
    return thing.to_dict()


# --- tokens -----------------------------------------------------------------------------------------------------------


async def create_token(call: Call) -> dict[str, Any]:
    """One token. -> it"""
    new = await body_of(call, NewToken)
    pay_change(call)
    signals = call.hub.signals
    made = asked(
        lambda: signals.create_token(new.vector, event_type=new.event_type, weight=new.weight, priority=new.priority)
    )
    return _shown(found(signals.get_token(made), "token", made))


async def create_tokens(call: Call) -> dict[str, Any]:
    """Up to `emit_batch` tokens with consecutive ids."""
    new = await body_of(call, NewTokens)
    most = call.hub.settings.emit_batch
    if not 1 <= len(new.vectors) <= most:
        slug = "too_large" if new.vectors else "bad_message"
        raise Refusal(slug, f"expected 1 to {most} vectors, came {len(new.vectors)}", path="vectors")
    pay_change(call, len(new.vectors))
    for place, vector in enumerate(new.vectors):
        if len(vector) != 8:
            message = f"vector must have 8 dimensions, got {len(vector)}"
            raise Refusal("vector_invalid", message, path=f"vectors.{place}")
    rows = array("d", (x for vector in new.vectors for x in vector))
    made = asked(lambda: call.hub.signals.create_tokens(vectors=rows, event_type=new.event_type))
    return {"first": made.start, "last": made.stop - 1, "count": len(made)}


async def list_tokens(call: Call) -> dict[str, Any]:
    """Newest first; with `filter`, JSON in the words of PROTOCOL.md section 9, those that pass it."""
    may_read(call)
    limit, before = page(call)
    text = call.request.query_params.get("filter")
    wanted = None if text is None else read_filter(text.encode(), call.hub.settings)
    if wanted is not None:
        pay_looking(call)
    list_some = partial(call.hub.signals.list_tokens, limit=limit, before=before, filter=wanted)
    # Every token may have to be looked at.
    tokens = asked(list_some) if wanted is None else await to_thread(asked, list_some)
    return listed("tokens", [_shown(token) for token in tokens], "token_id", limit)


async def count_tokens(call: Call) -> dict[str, Any]:
    """How many exist."""
    may_read(call)
    return {"count": asked(call.hub.signals.count_tokens)}


async def get_token(call: Call) -> dict[str, Any]:
    """One token."""
    may_read(call)
    wanted = id_of(call)
    return _shown(found(asked(lambda: call.hub.signals.get_token(wanted)), "token", wanted))


async def change_token(call: Call) -> dict[str, Any]:
    """Move it, or give it another weight or priority. -> it"""
    change = await body_of(call, TokenChange)
    pay_change(call)
    wanted, signals = id_of(call), call.hub.signals
    asked(lambda: signals.update_token(wanted, vector=change.vector, weight=change.weight, priority=change.priority))
    return _shown(found(signals.get_token(wanted), "token", wanted))


async def delete_token(call: Call) -> dict[str, Any]:
    """Remove it, and its connections with it."""
    pay_change(call)
    wanted = id_of(call)
    if not asked(lambda: call.hub.signals.delete_token(wanted)):
        raise missing("token", wanted)
    return {"deleted": 1}


async def clear_tokens(call: Call) -> dict[str, Any]:
    """Remove all of them: everything is new once more."""
    call.require(Role.ADMIN)
    deleted = asked(call.hub.signals.clear_tokens)
    call.hub.actions.record("admin.clear_tokens", call.identity, {"deleted": deleted})
    return {"deleted": deleted}


# --- connections ------------------------------------------------------------------------------------------------------


async def create_connection(call: Call) -> dict[str, Any]:
    """Connect two live tokens; what is connected already is activated once more. -> it"""
    new = await body_of(call, NewConnection)
    pay_change(call)
    signals = call.hub.signals
    made = asked(
        lambda: signals.create_connection(new.token_a, new.token_b, kind=new.kind, pull_strength=new.pull_strength)
    )
    return _shown(found(signals.get_connection(made), "connection", made))


async def list_connections(call: Call) -> dict[str, Any]:
    """Newest first; with `?token=` those of one token, all of them up to `limit`."""
    may_read(call)
    limit, before = page(call)
    token = number(call, "token", 0, 0, MAX_ID)
    signals = call.hub.signals
    if token:
        of_token = asked(lambda: signals.get_connections_for_token(token))
        chosen = [one for one in of_token if before is None or one.connection_id < before][:limit]
    else:
        chosen = asked(lambda: signals.list_connections(limit=limit, before=before))
    return listed("connections", [_shown(one) for one in chosen], "connection_id", limit)


async def count_connections(call: Call) -> dict[str, Any]:
    """How many exist."""
    may_read(call)
    return {"count": asked(call.hub.signals.count_connections)}


async def get_connection(call: Call) -> dict[str, Any]:
    """One connection."""
    may_read(call)
    wanted = id_of(call)
    return _shown(found(asked(lambda: call.hub.signals.get_connection(wanted)), "connection", wanted))


async def change_connection(call: Call) -> dict[str, Any]:
    """Give it another strength. -> it"""
    change = await body_of(call, ConnectionChange)
    pay_change(call)
    wanted, signals = id_of(call), call.hub.signals
    asked(lambda: signals.update_connection(wanted, pull_strength=change.pull_strength))
    return _shown(found(signals.get_connection(wanted), "connection", wanted))


async def delete_connection(call: Call) -> dict[str, Any]:
    """Remove it."""
    pay_change(call)
    wanted = id_of(call)
    if not asked(lambda: call.hub.signals.delete_connection(wanted)):
        raise missing("connection", wanted)
    return {"deleted": 1}
