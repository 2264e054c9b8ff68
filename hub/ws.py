"""`/ws`: who may come in, and on which way (C1-C13). What happens afterwards belongs to `hub.session`.

Whatever a browser should be able to read is refused after the upgrade, by a close code (C11); before it, only what no
upgrade can help: a malformed handshake, a foreign page, too many handshakes, a full node.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import structlog
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from channels._native import PlaneError
from hub.addresses import client_address, client_scheme
from hub.admission import Denial, is_allowed_origin
from hub.auth import ANONYMOUS, AuthError, Identity
from hub.connection import Newcomer
from hub.handshake import UPGRADE_REQUIRED
from hub.http.guard import is_known_host, unknown_host
from hub.protocol import close_codes
from hub.protocol.credentials import Presented, find_credentials
from hub.protocol.extensions import negotiate_deflate
from hub.protocol.subprotocols import CODECS, Choice, negotiate, read_offers
from hub.quantities import Network
from hub.relay import Relay
from hub.session.policy import TooManyFailures
from hub.upgrade import EXTENSION, Detached

if TYPE_CHECKING:
    from channels._native import Plane
    from hub.config import Settings
    from hub.connections import Connections
    from hub.counters import Counters

PATH = "/ws"
EXTENSIONS = b"sec-websocket-extensions"
FOREIGN_ORIGIN = "this origin may not connect; the hub's own may, and those in NG_ORIGINS"

log = structlog.get_logger("hub.ws")


@dataclass(frozen=True, slots=True)
class EntranceRules:
    """The settings of the same names."""

    anonymous: bool = True
    deflate: bool = True
    url_credentials: bool = True
    origins: tuple[str, ...] = ()
    proxies: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    is_production: bool = False

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """What stands in them."""
        return cls(**{name: getattr(settings, name) for name in cls.__dataclass_fields__})


class Entrance:
    """The ASGI application at `/ws`."""

    def __init__(self, connections: "Connections", rules: EntranceRules) -> None:
        self._connections = connections
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One handshake, and where the connection is relayed, its whole life."""
        await receive()  # websocket.connect
        address = client_address(scope, self._rules.proxies)
        handshake = Handshake.read(scope, self._rules.proxies)
        denial = self._deny(handshake, address)
        if denial is not None:
            self._connections.counters.error(*denial.label.split("/"))
            await _answer(denial, scope, receive, send)
            return
        choice = negotiate(handshake.offers)
        newcomer = self._judge(handshake, choice, address)
        try:
            extensions = negotiate_deflate(_headers(scope, EXTENSIONS)) if self._rules.deflate else None
            detached = _detach(scope, choice.selected, extensions)
        except ConnectionError:
            self._connections.counters.error("handshake", "gone")
        except OSError as error:
            log.warning("handover.refused", reason=str(error))
            self._connections.counters.error("limit", "files")
            await _answer(Denial(503, "this node has no descriptor left", "limit/files", 5.0), scope, receive, send)
        else:
            if detached is not None:
                self._hand_over(detached, newcomer, is_deflated=extensions is not None)
            else:
                await self._relay(newcomer, choice, receive, send)

    def _deny(self, handshake: "Handshake", address: str) -> Denial | None:
        """What is refused by HTTP (C11), in the order of what it costs to find out."""
        rules = self._rules
        if not is_known_host(handshake.host, rules.hosts, any_host=rules.is_production):
            return Denial(400, unknown_host(handshake.host), "handshake/host")
        if not is_allowed_origin(
            handshake.origins, handshake.host, handshake.scheme, rules.origins, development=not rules.is_production
        ):
            log.info("origin.refused", address=address)
            return Denial(403, FOREIGN_ORIGIN, "auth/origin")
        if handshake.presented is None:
            return Denial(400, "expected each kind of credential once", "handshake/malformed")
        return self._connections.admission.deny(address, self._connections.moment().now)

    def _judge(self, handshake: "Handshake", choice: Choice, address: str) -> Newcomer:
        """Who comes in, or the close code that refuses him after the upgrade."""
        presented = handshake.presented or Presented()
        identity: Identity | None = None
        refusal: tuple[str, str] | None = None
        if self._connections.admission.has_too_many(address):
            self._connections.counters.error("limit", "address")
            refusal = ("too_many_connections", "")
        elif choice.is_unsupported:
            refusal = ("version_unsupported", "this hub speaks ng-ws.v1.json and ng-ws.v1.msgpack")
        elif presented.is_in_url and not self._rules.url_credentials:
            refusal = ("url_credential_disabled", "")
        elif presented.credential is not None:
            identity, refusal = self._log_in(presented.credential, address)
        elif self._rules.anonymous:
            identity = ANONYMOUS
        return Newcomer(
            codec=CODECS[choice.selected],
            address=address,
            identity=identity,
            reconnection_token=presented.reconnection_token,
            refusal=refusal,
        )

    def _log_in(self, credential: str, address: str) -> tuple[Identity | None, tuple[str, str] | None]:
        """C10: a credential that is not valid never becomes anonymous."""
        try:
            return self._connections.surroundings.login(credential, address, self._connections.moment()), None
        except TooManyFailures:
            return None, ("rate_abuse", "too many failed logins of this address")
        except AuthError as error:
            return None, (error.slug, error.message)

    def _hand_over(self, detached: Detached, newcomer: Newcomer, *, is_deflated: bool) -> None:
        plane = self._connections.plane
        try:
            number = plane.attach(
                detached.fd,
                detached.head,
                detached.tail,
                encoding=newcomer.codec.encoding,
                deflate=is_deflated,
                max_message=self._connections.first_limit(newcomer),
            )
        except PlaneError as error:
            # The plane owns the descriptor in any case and has closed it.
            log.debug("handover.failed", reason=str(error))
            self._connections.counters.error("handshake", "gone")
        else:
            self._connections.open(number, newcomer)

    async def _relay(self, newcomer: Newcomer, choice: Choice, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", "subprotocol": choice.selected, "headers": []})
        connections = self._connections
        try:
            number = connections.plane.attach_virtual(
                encoding=newcomer.codec.encoding, max_message=connections.first_limit(newcomer)
            )
        except PlaneError as error:
            log.warning("relay.failed", reason=str(error))
            code = close_codes.CODE_OF["overloaded"]
            await send({"type": "websocket.close", "code": code, "reason": close_codes.reason("overloaded")})
            return
        relay = Relay(connections.plane, number, receive, send)
        connections.open(number, newcomer, relay)
        await relay.run()


@dataclass(frozen=True, slots=True)
class Handshake:
    """What of a request counts here. `presented` None: a kind of credential was given twice (C6)."""

    host: str
    scheme: str
    origins: Sequence[str]
    offers: Sequence[str]
    presented: Presented | None

    @classmethod
    def read(cls, scope: Scope, proxies: Sequence[Network] = ()) -> Self:
        """Bytes that are not ASCII make a value unknown, nothing else (hs6)."""
        offers = read_offers(_headers(scope, b"sec-websocket-protocol"))
        authorization = [value.decode("latin-1") for value in _headers(scope, b"authorization")]
        try:
            presented = find_credentials(authorization, offers, scope.get("query_string", b""))
        except ValueError:
            presented = None
        return cls(
            host=b",".join(_headers(scope, b"host")).decode("latin-1"),
            scheme=client_scheme(scope, proxies),
            origins=[value.decode("latin-1") for value in _headers(scope, b"origin")],
            offers=offers,
            presented=presented,
        )


def _headers(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]


def _detach(scope: Scope, subprotocol: str | None, extensions: str | None) -> Detached | None:
    """The socket; None where it has to be relayed. Raises what `HubWebSocketProtocol.detach` raises."""
    extension: dict[str, Any] | None = scope.get("extensions", {}).get(EXTENSION)
    return None if extension is None else extension["detach"](subprotocol, extensions)


async def _answer(denial: Denial, scope: Scope, receive: Receive, send: Send) -> None:
    """HTTP instead of an upgrade; where the server cannot, the plain refusal that ASGI has (403)."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    headers = {} if denial.retry_after is None else {"Retry-After": str(max(1, math.ceil(denial.retry_after)))}
    await PlainTextResponse(f"{denial.reason}\n", denial.status, headers)(scope, receive, send)


class UpgradeRequired:
    """HTTP requests at `/ws`, of any method, without an upgrade (C1)."""

    def __init__(self, counters: "Counters") -> None:
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """426."""
        self._counters.error("handshake", UPGRADE_REQUIRED.label)
        headers = {name.decode(): value.decode() for name, value in UPGRADE_REQUIRED.headers}
        await PlainTextResponse(f"{UPGRADE_REQUIRED.reason}\n", UPGRADE_REQUIRED.status, headers)(scope, receive, send)


class NoSuchPath:
    """Upgrades at any other path (C11)."""

    def __init__(self, counters: "Counters") -> None:
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """404."""
        await receive()
        self._counters.error("handshake", "path")
        await _answer(Denial(404, f"WebSockets are served at {PATH}", "handshake/path"), scope, receive, send)


class Echo:
    """`/echo`: the plane's framing and nothing else, for conformance suites (`NG_TEST_ECHO`)."""

    def __init__(self, plane: "Plane") -> None:
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handed over only: a relay would test the server's framing instead of ours."""
        await receive()
        extensions = negotiate_deflate(_headers(scope, EXTENSIONS))
        detached = _detach(scope, None, extensions)
        if detached is None:
            await _answer(Denial(503, "no socket can be handed over here", "handshake/echo", 5.0), scope, receive, send)
            return
        self._plane.attach_echo(detached.fd, detached.head, detached.tail, deflate=extensions is not None)
        self._plane.flush()


def websocket_routes(
    entrance: Entrance, connections: "Connections", settings: "Settings"
) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """What the application serves by WebSocket: before its other routes, and after them, for every other path."""
    first: list[BaseRoute] = [
        WebSocketRoute(PATH, entrance),
        Route(PATH, UpgradeRequired(connections.counters)),
    ]
    if settings.test_echo:
        first.append(WebSocketRoute("/echo", Echo(connections.plane)))
    return first, [WebSocketRoute("/{path:path}", NoSuchPath(connections.counters))]
