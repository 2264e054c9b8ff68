"""The upgrade to a WebSocket: refusals, proxies that do not pass it on, other servers."""

import ssl
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus, ProxyError, WebSocketException
from websockets.typing import Origin, Subprotocol

from ..codec import JsonCodec
from ..deflate import offers
from ..urls import is_loopback
from .address import Place, untrusted
from .finding import Cause, Finding, Stop, fail, ok, warn
from .target import Target

_WS = (
    "next: the proxy or balancer must pass Upgrade and Connection on; nginx: proxy_http_version 1.1; proxy_set_header "
    "Upgrade $http_upgrade; proxy_set_header Connection upgrade"
)


class Straight(connect):
    """A connection to where it was said to be: a redirect is an answer, not another address."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Where the library would go on."""
        return exc


@dataclass(frozen=True, slots=True)
class Upgraded:
    """An open WebSocket, and what was found on the way."""

    socket: ClientConnection
    findings: list[Finding]


async def upgrade(place: Place, target: Target) -> Upgraded:
    """Open a WebSocket; raises `Stop` with what refused it."""
    headers = {**target.headers, **({} if target.token is None else {"Authorization": f"Bearer {target.token}"})}
    tls: ssl.SSLContext | None = None
    if place.is_tls:
        tls = target.ssl or ssl.create_default_context()
    try:
        socket = await Straight(
            place.url,
            additional_headers=headers,
            compression=None,
            extensions=offers() if target.compression else None,
            origin=None if target.origin is None else Origin(target.origin),
            subprotocols=[Subprotocol(JsonCodec.subprotocol)],
            ssl=tls,
            proxy=None if is_loopback(place.url) else target.proxy,
            ping_interval=None,
            open_timeout=target.timeout,
            close_timeout=1,
            process_exception=lambda fault: fault,
        )
    except InvalidStatus as refusal:
        raise Stop(_refused(refusal, place, target.origin)) from refusal
    except InvalidMessage as fault:
        text = f"what answers on port {place.port} does not speak HTTP"
        hint = "next: look at the port; if it is a TLS port, wss:// instead of ws://"
        raise Stop(fail("upgrade", text, hint)) from fault
    except ProxyError as fault:
        text = f"the proxy does not let it pass: {fault.__cause__ or fault}"
        raise Stop(fail("upgrade", text, "next: ask who runs the proxy; NO_PROXY goes around it")) from fault
    except InvalidHandshake as fault:
        raise Stop(fail("upgrade", f"the answer is no upgrade: {fault}", _WS)) from fault
    except TimeoutError as fault:
        text = f"no answer to the upgrade within {target.timeout:g} s"
        raise Stop(
            fail("upgrade", text, "next: a longer time-out; does a proxy hold it back?", Cause.TIMEOUT)
        ) from fault
    except ssl.SSLCertVerificationError as fault:
        raise Stop(untrusted(place, fault)) from fault
    except (WebSocketException, ValueError, ImportError) as fault:
        text = f"it cannot be asked for like this: {fault}"
        raise Stop(fail("upgrade", text, "next: look at token, headers and proxy", Cause.USAGE)) from fault
    except (OSError, EOFError) as fault:
        text = f"the connection was cut during the upgrade: {fault or type(fault).__name__}"
        raise Stop(fail("upgrade", text, _WS)) from fault
    return Upgraded(socket, _seen(socket, target))


def _seen(socket: ClientConnection, target: Target) -> list[Finding]:
    response = socket.response
    headers: Any = {} if response is None else response.headers
    chosen = socket.subprotocol
    via = headers.get("Via") or headers.get("X-Served-By")
    through = f", through {via}" if via else ""
    if chosen is None:
        text = f"{JsonCodec.subprotocol} was not chosen: does a proxy drop it?"
        named = warn("subprotocol", text, "next: let the proxy pass Sec-WebSocket-Protocol on")
    else:
        named = ok("subprotocol", chosen)
    found = [ok("upgrade", f"{response.status_code if response else 101}, a WebSocket{through}"), named]
    if target.origin is not None:
        found.append(ok("origin", f"{target.origin} may connect"))
    if target.compression:
        found.append(_deflate("permessage-deflate" in headers.get("Sec-WebSocket-Extensions", "")))
    return found


def _deflate(is_agreed: bool) -> Finding:
    if is_agreed:
        return ok("deflate", "permessage-deflate is agreed: messages from 512 bytes on are compressed")
    return ok("deflate", "not agreed: the hub, or a proxy before it, does not compress; nothing is wrong with that")


def _refused(refusal: InvalidStatus, place: Place, origin: str | None) -> Finding:
    response = refusal.response
    status, headers = response.status_code, response.headers
    said = (response.body or b"")[:120].decode(errors="replace").strip().partition("\n")[0]
    told = f"{status} {response.reason_phrase}{f': {said}' if said and '<' not in said else ''}"
    match status:
        case 301 | 302 | 307 | 308:
            return fail(
                "upgrade", f"{told}: it is served elsewhere", f"next: the URL {_as_ws(headers.get('Location', ''))}"
            )
        case 400 if "host" in said.lower():
            return fail("upgrade", told, f"next: let the hub know its name: NG_HOSTS={place.host}")
        case 401 | 407:
            return fail(
                "upgrade",
                f"{told}: a proxy before the hub wants a login of its own",
                "next: ask who runs the proxy",
                Cause.LOGIN,
            )
        case 403 if origin is not None:
            return fail(
                "origin", f"{origin} may not connect: {told}", f"next: NG_ORIGINS={origin} at the hub", Cause.PERMISSION
            )
        case 403:
            return fail("upgrade", told, "next: the hub or a proxy refuses this address or page", Cause.PERMISSION)
        case 404 if place.path == "/ws":
            hint = "next: what answers is no hub, or a proxy that does not pass /ws on to one"
            return fail("upgrade", f"{told} at {place.path}", hint)
        case 404:
            hint = f"next: hubs listen at /ws: --url {place.scheme}://{place.host}:{place.port}/ws"
            return fail("upgrade", f"{told} at {place.path}", hint)
        case 426 | 200:
            return fail("upgrade", f"{told}: the request arrived without its Upgrade header", _WS)
        case 429:
            wait = headers.get("Retry-After") or "a few"
            return fail(
                "upgrade",
                f"{told}: too many handshakes from this address",
                f"next: again in {wait} s",
                Cause.RATE_LIMITED,
            )
        case 502 | 504:
            return fail(
                "upgrade",
                f"{told}: the proxy does not reach the hub behind it",
                "next: is the hub up, and does the proxy know its port?",
            )
        case 503:
            again = f"again in {headers['Retry-After']} s; " if "Retry-After" in headers else ""
            return fail(
                "upgrade",
                f"{told}: the hub is full, draining, or not there",
                f"next: {again}ng-ws status, /health/ready",
            )
    return fail("upgrade", told, _WS)


def _as_ws(location: str) -> str:
    return location.replace("http", "ws", 1) if location.startswith("http") else location or "where it points to"
