"""Runs the application on uvicorn: our protocol classes, our signals, one process."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from starlette.applications import Starlette

from hub.config import Settings
from hub.handover import protocols
from hub.handshake import HandshakeLimits
from hub.listener import BACKLOG

if TYPE_CHECKING:
    from hub.hub import Hub

log = structlog.get_logger("hub")

ANSWER_TIME = 1.0
"""Seconds more than `http_time` after which a connection whose body does not come is cut: 408 is answered before."""
GRACE = 5
"""Seconds that HTTP requests in flight have at the end (pr4: hostile ones do not hold the process)."""


class HubServer(uvicorn.Server):
    """uvicorn's server, which ends with code 0 when it is told to end, and closes WebSockets as the protocol says."""

    def __init__(self, app: Starlette, settings: Settings, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__(_config(app, settings))
        self._handshake_timeout = settings.handshake_timeout
        self._hub: Hub = app.state.hub
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._hub.on_fatal = self._give_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, listen at `sockets`, then say so."""
        await super().startup([])  # uvicorn would listen without a time-out for TLS handshakes of ours
        tls: dict[str, Any] = {}
        if self.config.ssl is not None:
            tls = {"ssl": self.config.ssl, "ssl_handshake_timeout": self._handshake_timeout}
        loop = self._loop = asyncio.get_running_loop()
        for sock in sockets or ():
            self.servers.append(await loop.create_server(self._protocol, sock=sock, backlog=BACKLOG, **tls))
        if self.started and self._on_ready is not None:
            self._on_ready()

    def _protocol(self) -> asyncio.Protocol:
        """For a connection that was accepted just now: its time begins here (L4)."""
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close WebSockets by 4301 first: uvicorn would give relayed ones 1012, and does not know the others."""
        if self._leaving is not None:
            self._leaving.cancel()
            await asyncio.gather(self._leaving, return_exceptions=True)
        await self._hub.drain()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: not ready at once, and clients are asked to go (M50). SIGINT, or a second signal: the end now."""
        is_first = not self._hub.health.is_draining
        self._hub.health.is_draining = True
        if sig == signal.SIGTERM and is_first and self.started and self._loop is not None:
            self._loop.call_soon_threadsafe(self._leave)
        else:
            super().handle_exit(sig, frame)

    def _leave(self) -> None:
        self._leaving = asyncio.ensure_future(self._hub.leave())
        self._leaving.add_done_callback(self._left)

    def _left(self, leaving: asyncio.Task[None]) -> None:
        self.should_exit = True
        if not leaving.cancelled() and (fault := leaving.exception()) is not None:
            log.error("hub.drain_failed", exc_info=fault)

    def _give_up(self) -> None:
        """A native part is lost: an end that a supervisor sees is better than a hub that answers half (pr1)."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but a signal that was obeyed is not raised again: the process ended as asked, with 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, Any] = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def run(server: HubServer, listener: socket.socket) -> None:
    """Serve until told to end. uvloop where it is installed."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's, else asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 - optional (no Windows)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _config(app: Starlette, settings: Settings) -> uvicorn.Config:
    heartbeat = (settings.heartbeat_interval, settings.heartbeat_timeout)
    http, ws = protocols(handshake_limits(settings), handover=settings.handover, heartbeat=heartbeat)
    return uvicorn.Config(
        app,
        http=http,
        ws=ws,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # hub.addresses reads them by L21
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE,
        ws_per_message_deflate=False,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def handshake_limits(settings: Settings) -> HandshakeLimits:
    """L4 and L5 as they are set."""
    return HandshakeLimits(
        timeout=settings.handshake_timeout,
        body_timeout=settings.http_time + ANSWER_TIME,
        request_line=settings.max_request_line,
        header=settings.max_header,
        headers_bytes=settings.max_header_bytes,
        headers=settings.max_headers,
    )
