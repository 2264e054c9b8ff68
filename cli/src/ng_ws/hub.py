"""A client as the settings ask for it, and running a command on it."""

import asyncio
import contextlib
import logging
import ssl
import sys
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from neurograph_ws_client import HubError, NeurographWSClient

from ._version import __version__
from .escape import escaped
from .notes import Notes
from .settings import Settings

T = TypeVar("T")

# A user who pressed Ctrl-C waits no longer than this for the closing handshake.
_CLOSE_WAIT = 0.1


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end."""
    return asyncio.run(work)


def new_client(settings: Settings) -> NeurographWSClient:
    """A client that is not connected yet; a wrong URL raises ValueError."""
    if settings.is_verbose:
        _log_to_stderr()
    return NeurographWSClient(
        settings.url,
        token=settings.token,
        auto_reconnect=settings.reconnects,
        connect_timeout=settings.timeout,
        timeout=settings.timeout,
        name="ng-ws",
        version=__version__,
        ssl=context_of(settings),
        debug=settings.is_verbose,
    )


@contextlib.asynccontextmanager
async def connected(settings: Settings, notes: Notes) -> AsyncIterator[NeurographWSClient]:
    """A connected client for one command; errors nobody awaits are noted."""
    client = new_client(settings)
    client.on("error", lambda fault: notes.warn(one_line(fault)))
    try:
        await client.connect()
        yield client
    finally:
        await close(client)


async def close(client: NeurographWSClient) -> None:
    """Close in order if the hub answers at once, else just go."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_WAIT):
            await client.close()


def one_line(fault: Exception) -> str:
    """An error for a note."""
    return str(fault) if isinstance(fault, HubError) else f"{type(fault).__name__}: {fault}"


class _OnOneLine(logging.Formatter):
    """What the wire brought must not steer a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record))


def _log_to_stderr() -> None:
    logger = logging.getLogger("neurograph_ws_client")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OnOneLine("ng-ws: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)


def context_of(settings: Settings) -> ssl.SSLContext | None:
    """The TLS that the settings ask for; None is what the library does by itself."""
    return trusting() if settings.is_insecure and settings.url.startswith("wss:") else None


def trusting() -> ssl.SSLContext:
    """TLS without a look at who is there, because the user said so."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
