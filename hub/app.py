"""The application: one Starlette app around one hub, which lives as long as its lifespan."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from hub.config import Settings, load_settings
from hub.http.endpoints import http_exception
from hub.http.guard import EXPOSED, Guard
from hub.http.routes import routes
from hub.hub import Companion, Hub
from hub.joining import Joined
from hub.ws import websocket_routes

LOOPBACK_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"


def create_app(
    settings: Settings | None = None, companions: Sequence[Companion] = (), joined: Joined | None = None
) -> Starlette:
    """The hub as an ASGI application; its parts are at `app.state.hub`. Raises `ConfigError`."""
    settings = load_settings() if settings is None else settings
    hub = Hub(settings, companions, joined)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            await hub.start()
            yield
        finally:
            await hub.stop()

    sockets, other_paths = websocket_routes(hub.connections, hub.settings)
    app = Starlette(
        routes=[*sockets, *routes(hub), *other_paths],
        middleware=[_cors(settings), Middleware(Guard, hub=hub)],
        exception_handlers={HTTPException: http_exception},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a path is what it is, and 404 otherwise
    app.state.hub = hub
    return app


def _cors(settings: Settings) -> Middleware:
    """An exact list; credentials are bearer tokens, so no cookie is ever allowed for (hardening 3.9)."""
    return Middleware(
        CORSMiddleware,
        allow_origins=list(settings.origins),
        allow_origin_regex=None if settings.is_production else LOOPBACK_ORIGIN,
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "X-Request-ID", "traceparent", "tracestate"],
        expose_headers=list(EXPOSED),
        max_age=600,
    )
