"""Probes and the scrape page: `/health...`, `/ready`, `/metrics` (G14-G16, hardening.md section 8)."""

from collections.abc import Awaitable, Callable

import orjson
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from channels.permissions import Role
from hub.addresses import is_loopback_peer
from hub.http.answers import JSON
from hub.http.endpoints import Call, identify
from hub.quantities import is_loopback

FRESH = {"Cache-Control": "no-store"}


def probe(state: Callable[[], bool]) -> Callable[[Request], Awaitable[Response]]:
    """200 while `state()` holds, else 503. Needs no credential and tells nothing but the state."""

    async def endpoint(_request: Request) -> Response:
        is_ok = state()
        body = orjson.dumps({"status": "ok" if is_ok else "unavailable"})
        return Response(body, 200 if is_ok else 503, FRESH, JSON)

    return endpoint


async def metrics(call: Call) -> Response:
    """Prometheus text: for administrators, and in development for whoever is on this machine (id11)."""
    if not is_local_development(call):
        call.identity = identify(call.request, call.hub, call.info)
        call.require(Role.ADMIN)
    return Response(call.hub.metrics.exposition(), 200, FRESH, CONTENT_TYPE_LATEST)


def is_local_development(call: Call) -> bool:
    """Whether the hub runs for its developer, and who asks sits at the same machine."""
    is_local = is_loopback_peer(call.request.scope) and is_loopback(call.info.address)
    return is_local and not call.hub.settings.is_production
