"""The application: one Starlette app around one hub, which lives as long as its lifespan."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from hub.config import Settings, load_settings
from hub.http.endpoints import http_exception
from hub.http.guard import EXPOSED, Guard
from hub.http.routes import routes
from hub.hub import Companion, Hub
from hub.joining import Joined
from hub.ws import PATH, Entrance, EntranceRules, websocket_routes

LOOPBACK_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"


class Application(Starlette):
    """The hub's routes; what asks for a WebSocket at `/ws` goes to its entrance by the shortest way.

    No middleware has anything to say to WebSockets, and of thousands that come back at once each would pay for it.
    Under a root path the routes find it as they find everything.
    """

    def __init__(self, entrance: Entrance, **members: Any) -> None:
        super().__init__(**members)
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one WebSocket, or the lifespan."""
        if scope["type"] == "websocket" and scope["path"] == PATH and not scope.get("root_path"):
            await self._entrance(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


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

    entrance = Entrance(hub.connections, EntranceRules.from_settings(hub.settings))
    sockets, other_paths = websocket_routes(entrance, hub.connections, hub.settings)
    app = Application(
        entrance,
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
