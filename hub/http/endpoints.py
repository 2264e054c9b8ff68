"""How a handler becomes an endpoint: who asks is found out, what it raises becomes an answer."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channels.errors import BrokerError
from channels.permissions import Right, Role
from hub.auth import ANONYMOUS, AuthError, Identity
from hub.http.answers import HttpProblem, RequestInfo, failure, success
from hub.http.bodies import read_body
from hub.http.guard import INFO
from hub.hub import Hub
from hub.protocol.errors import Refusal

log = structlog.get_logger("hub.http")


@dataclass(slots=True)
class Call:
    """One request as handlers see it."""

    request: Request
    hub: Hub
    info: RequestInfo
    identity: Identity

    async def body(self) -> bytes:
        """The body, within `http_body` and `http_time`."""
        return await read_body(self.request, self.hub.settings.http_body, self.hub.settings.http_time)

    def require(self, *roles: Role) -> None:
        """Refuse everybody but `roles`."""
        if self.identity.role not in roles:
            self.refuse(f"role {self.identity.role} may not do this; it takes {' or '.join(roles)}")

    def require_right(self, channel: str, right: Right) -> None:
        """404 if there is no such channel, 403 if the role lacks `right` on it (E5)."""
        if not self.hub.catalog.exists(channel):
            raise Refusal("unknown_channel", f"channel {channel} is not configured", channel=channel)
        if right not in self.hub.catalog.rights(channel, self.identity.role, self.identity.subject):
            verb = "subscribe to" if right is Right.SUBSCRIBE else f"{right} on"
            self.refuse(f"role {self.identity.role} may not {verb} {channel}", channel)

    def refuse(self, message: str, channel: str | None = None) -> None:
        """403; for who has not logged in at all, 401: a credential might help."""
        self.hub.counters.error("http", "forbidden")
        if self.identity.kind == "anonymous":
            raise Refusal("login_required", f"{message}; send Authorization: Bearer", channel=channel)
        raise Refusal("forbidden", message, channel=channel)


Handler = Callable[[Call], Awaitable[Any]]


def route(hub: Hub, path: str, handler: Handler, methods: Sequence[str] = ("GET",), *, is_open: bool = False) -> Route:
    """A Starlette route that serves `handler`; an open one looks at no credential."""

    async def endpoint(request: Request) -> Response:
        info: RequestInfo = request.scope[INFO]
        request.scope["hub.route"] = path
        try:
            identity = ANONYMOUS if is_open else admit(request, hub, info)
            data = await handler(Call(request, hub, info, identity))
        except (HttpProblem, Refusal, BrokerError, AuthError) as problem:
            return failure(info, problem)
        return data if isinstance(data, Response) else success(info, data)

    endpoint.__name__ = getattr(handler, "__name__", "endpoint")
    return Route(path, endpoint, methods=list(methods))


def admit(request: Request, hub: Hub, info: RequestInfo) -> Identity:
    """`identify`, where anonymous may be switched off (C13)."""
    identity = identify(request, hub, info)
    if identity.kind == "anonymous" and not hub.settings.anonymous:
        raise Refusal("login_required", "this hub lets nobody in without a credential; send Authorization: Bearer")
    return identity


def identify(request: Request, hub: Hub, info: RequestInfo) -> Identity:
    """Who asks: the bearer of `Authorization`, else anonymous. A wrong credential never becomes anonymous (C10)."""
    given = request.headers.getlist("authorization")
    if not given:
        return ANONYMOUS
    if len(given) > 1:
        raise Refusal("bad_message", f"expected one Authorization header, came {len(given)}")
    scheme, _, credential = given[0].partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise AuthError("token_invalid", "expected Authorization: Bearer followed by a token or an API key")
    return check_credential(credential.strip(), hub, info)


def check_credential(credential: str, hub: Hub, info: RequestInfo) -> Identity:
    """The bearer of `credential`; failures are charged to the address before anything is checked (id9)."""
    now = hub.monotonic()
    wait = hub.authenticator.failures.wait(info.address, now)
    if wait:
        hub.counters.error("auth", "rate")
        raise Refusal("rate_limited", "too many failed logins from this address", retry_after=round(wait, 3))
    try:
        return hub.authenticator.authenticate(credential, hub.wall())
    except AuthError as error:
        hub.authenticator.record_failure(info.address, now)
        hub.counters.error("auth", error.slug)
        log.info("auth.refused", reason=error.slug, via="http", audit=True)
        raise


async def http_exception(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, in the same form as everything else."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    sentences = {
        404: ("not_found", "nothing is served at this path"),
        405: ("method_not_allowed", f"expected {headers.get('Allow', 'another method')}, came {request.method[:16]}"),
    }
    name, sentence = sentences.get(status, ("http_error", "the request was refused"))
    return failure(request.scope[INFO], HttpProblem(status, name, sentence, headers=headers))
