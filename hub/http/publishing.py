"""`POST /api/v1/publish` and `/emit`: events and signals without a socket, by the rules of M29-M35."""

import asyncio
from typing import Any, TypeVar

import msgspec
import orjson

from channels.broker import Publication
from channels.permissions import Right
from channels.tables import EMIT_CHANNEL
from hub.http.answers import HttpProblem, about, members_of
from hub.http.bodies import convert, decode, is_array, scan
from hub.http.endpoints import Call
from hub.http.rates import owner_of
from hub.http.visitor import Visitor
from hub.protocol.errors import Refusal
from hub.protocol.forms import check_form
from hub.protocol.messages import Emit, Publish
from hub.protocol.unreadable import MAX_BATCH
from hub.session.intake import check_emit_size
from hub.session.sending import request_of

T = TypeVar("T", Publish, Emit)


async def publish(call: Call) -> dict[str, Any]:
    """One event (an object), or up to 256 (an array), each of which succeeds or fails alone."""
    body = await call.body()
    scan(body)
    if not is_array(body):
        return await _publish_one(call, body)
    items = convert(body, list[msgspec.Raw])
    if not 1 <= len(items) <= MAX_BATCH:
        raise Refusal("bad_message", f"expected 1 to {MAX_BATCH} events in an array, came {len(items)}")
    results = await asyncio.gather(*(_attempt(call, item) for item in items))
    return {"results": results, "stored": sum("position" in result for result in results)}


async def _attempt(call: Call, raw: msgspec.Raw) -> dict[str, Any]:
    try:
        return await _publish_one(call, bytes(raw))
    except (Refusal, HttpProblem) as problem:
        return {"error": members_of(problem)}


async def _publish_one(call: Call, raw: bytes) -> dict[str, Any]:
    message = _traced(call, convert(raw, Publish))
    with about(channel=message.channel, mid=message.mid):
        return await _store(call, message, raw)


async def _store(call: Call, message: Publish, raw: bytes) -> dict[str, Any]:
    check_form(message, call.hub.settings.resume_events)
    config = call.hub.catalog.find(message.channel)
    limit = call.hub.settings.max_message if config is None or config.max_message is None else config.max_message
    if len(raw) > limit:
        raise Refusal("too_large", f"expected at most {limit} bytes on {message.channel}, came {len(raw)}", limit=limit)
    owner = owner_of(call.identity, call.info.address)
    call.hub.publish_rates.pay_publish(owner, config, call.hub.monotonic())
    call.require_right(message.channel, Right.BROADCAST)
    publication = _publication(message, owner)
    stored = await call.hub.broker.publish(publication)
    call.hub.actions.published(call.identity, owner, publication, stored)
    duplicate = {"duplicate": True} if stored.duplicate else {}
    return {"channel": message.channel, "position": stored.position, **duplicate}


def _publication(message: Publish, owner: str) -> Publication:
    return Publication(
        channel=message.channel,
        event=message.event,
        data=bytes(message.data) or b"null",
        key=message.key,
        tags=orjson.dumps(message.tags) if message.tags else None,
        traceparent=message.traceparent,
        tracestate=message.tracestate,
        subject=owner,
        mid=message.mid,
    )


def _traced(call: Call, message: T) -> T:
    """A message without a trace context of its own belongs to that of the request (W3C Trace Context)."""
    if message.traceparent is None:
        message.traceparent = call.request.headers.get("traceparent")
        message.tracestate = call.request.headers.get("tracestate")
    return message


async def emit(call: Call) -> dict[str, Any]:
    """One signal or a batch, together with those of the turn's connections (M32-M35)."""
    body = await call.body()
    message = _traced(call, decode(body, Emit))
    settings = call.hub.settings
    if len(body) > settings.max_message:
        raise Refusal("too_large", f"expected at most {settings.max_message} bytes", limit=settings.max_message)
    with about(mid=message.mid):
        return await _process(call, message)


async def _process(call: Call, message: Emit) -> dict[str, Any]:
    settings = call.hub.settings
    check_emit_size(message, settings.emit_batch, call.hub.surroundings.policy.max_payload)
    check_form(message, settings.resume_events)
    owner = owner_of(call.identity, call.info.address)
    signals = 1 if message.vectors is None else len(message.vectors)
    call.hub.publish_rates.pay(owner, "emit", max(1, signals), call.hub.monotonic())
    call.require_right(EMIT_CHANNEL, Right.EMIT)
    visitor = Visitor()
    call.hub.connections.visit(visitor, request_of(message, owner, visitor.ticket(message.mid)))
    return await visitor.answer()
