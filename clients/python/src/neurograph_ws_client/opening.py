"""One attempt at a socket, by websockets; imported at the first one, since it costs more than all the rest."""

from typing import Any, cast

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from ._version import __version__
from .connection import CLOSE_WAIT, FIRST_LIMIT, Connection, Opening, Receiver, Refused
from .deflate import offers
from .urls import is_loopback
from .wire import Wire


async def open_connection(opening: Opening, token: str | None, receiver: Receiver) -> Connection:
    """Open a connection; Refused, OSError, TimeoutError or EOFError say why there is none.

    ValueError where that is no matter of the network: with these options there will never be one. What a source of
    URLs raises comes through.
    """
    url = opening.address.ask()
    try:
        wire = await _attempt(opening, url, token)
    except InvalidStatus as fault:
        raise _refused(fault) from fault
    except ConnectionClosed as fault:
        raise ConnectionError("the connection ended during the handshake") from fault
    except (InvalidProxy, InvalidURI) as fault:
        # What it is about may hold a password.
        raise ValueError(f"{type(fault).__name__}: {fault.msg}") from fault
    except WebSocketException as fault:
        raise ConnectionError(f"no WebSocket there: {fault}") from fault
    except OSError:
        raise
    except (ImportError, TypeError, ValueError) as fault:
        raise ValueError(f"{type(fault).__name__}: {fault}") from fault
    codec = next((codec for codec in opening.codecs if codec.subprotocol == wire.subprotocol), opening.codecs[-1])
    return Connection(wire, codec, receiver)


async def _attempt(opening: Opening, url: str, token: str | None) -> Wire:
    # websockets tells ssl=None from ssl left out.
    secured: dict[str, Any] = {} if opening.ssl is None else {"ssl": opening.ssl}
    headers = {**opening.headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    attempt = connect(
        url,
        subprotocols=[Subprotocol(codec.subprotocol) for codec in opening.codecs],
        compression=None,
        extensions=offers() if opening.compression else None,
        additional_headers=headers,
        user_agent_header=f"neurograph-ws-client/{__version__}",
        proxy=None if is_loopback(url) else opening.proxy,
        open_timeout=opening.timeout,
        close_timeout=CLOSE_WAIT,
        ping_interval=None,
        max_size=FIRST_LIMIT,
        create_connection=Wire,
        **secured,
    )
    return cast("Wire", await attempt)


def _refused(fault: InvalidStatus) -> Refused:
    response = fault.response
    body = bytes(response.body or b"")[:200].decode(errors="replace").strip()
    waits = response.headers.get("Retry-After", "0")
    return Refused(response.status_code, body, float(waits) if waits.isdecimal() else 0.0)
