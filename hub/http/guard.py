"""What stands before every HTTP route: names, addresses, rates, concurrency, and an answer whatever happens."""

import re
import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from channels.buckets import Rate, SubjectBuckets
from hub.addresses import address_key, client_address
from hub.http.answers import HttpProblem, RequestInfo, failure
from hub.protocol.errors import Refusal
from hub.quantities import is_loopback
from hub.redaction import redact_path

if TYPE_CHECKING:
    from hub.hub import Hub

INFO = "hub.request"
"""Where the scope carries the `RequestInfo`."""
EXPOSED = ("X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]{1,5})?")
MAX_HOST = 64
"""Characters of a foreign name that are repeated."""
_PROBES = ("/health", "/ready")
"""Not charged to a rate: an orchestrator that is refused would restart a healthy hub."""

log = structlog.get_logger("hub.http")


class Guard:
    """Middleware over all HTTP requests; WebSockets pass through to their own checks."""

    def __init__(self, app: ASGIApp, hub: "Hub") -> None:
        self.app = app
        self._hub = hub
        self._rates = AddressRates(hub.settings.http_rate)
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        info = scope[INFO] = RequestInfo(_request_id(scope), client_address(scope, self._hub.settings.proxies))
        with structlog.contextvars.bound_contextvars(request_id=info.request_id):
            refusal = self._refusal(scope, info)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
            await self._serve(scope, receive, send, info)

    def _refusal(self, scope: Scope, info: RequestInfo) -> Response | None:
        settings = self._hub.settings
        if not is_known_host(Headers(scope=scope).get("host", ""), settings.hosts, any_host=settings.is_production):
            self._hub.counters.error("http", "host")
            host = Headers(scope=scope).get("host", "")
            return failure(info, HttpProblem(400, "bad_host", unknown_host(host)))
        wait = 0.0 if scope["path"].startswith(_PROBES) else self._rates.take(info, time.monotonic())
        if wait:
            self._hub.counters.add("rate_limited", "http")
            return failure(info, Refusal("rate_limited", f"http: {settings.http_rate}", retry_after=round(wait, 3)))
        if self._in_flight >= settings.http_concurrency:
            self._hub.counters.error("http", "concurrency")
            return failure(info, Refusal("overloaded", "too many requests are being served", retry_after=1.0))
        return None

    async def _serve(self, scope: Scope, receive: Receive, send: Send, info: RequestInfo) -> None:
        self._in_flight += 1
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:  # the last door: whatever it was, the client gets an answer
            self._hub.counters.error("internal", "http")
            log.error("http.failed", path=redact_path(scope["path"]), exc_info=error)
            if status == 0:
                await failure(info, Refusal("internal", "the hub failed to serve this request"))(scope, receive, watch)
        finally:
            self._in_flight -= 1
            self._hub.counters.add("http_requests", scope.get("hub.route", "none"), f"{status // 100}xx")
            log.debug("http.request", method=scope["method"], path=redact_path(scope["path"]), status=status)


class AddressRates:
    """One bucket per client address (L2's notion of one), told in `X-RateLimit-*`."""

    def __init__(self, rate: Rate, most: int = 20_000) -> None:
        self._rate = rate
        self._buckets = SubjectBuckets({"http": rate}, most=most)
        self._swept_at = 0.0

    def take(self, info: RequestInfo, now: float) -> float:
        """Charge one request; seconds to wait if it cannot be paid. `now`: monotonic seconds."""
        if now - self._swept_at >= 1.0:
            self._buckets.sweep(now)
            self._swept_at = now
        bucket = self._buckets.bucket(address_key(info.address), "http", now)
        if bucket is None:
            return 0.0
        wait = bucket.take(1, now)
        level = bucket.level(now)
        info.headers["X-RateLimit-Limit"] = f"{self._rate.capacity:g}"
        info.headers["X-RateLimit-Remaining"] = str(int(level))
        info.headers["X-RateLimit-Reset"] = str(round((self._rate.capacity - level) / self._rate.refill))
        return wait


def is_known_host(host: str, names: Sequence[str], *, any_host: bool) -> bool:
    """Whether `Host` names this hub: one of `names`, or else loopback in development, anything in production.

    A page of a foreign site whose name was made to point at this machine sends its own name here (DNS rebinding).
    """
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found.group(1).lower()
    return name in names or (not names and any_host) or is_loopback(name)


def unknown_host(host: str) -> str:
    """What is said to who came by a name that is none of the hub's."""
    return f"Host: expected a name of this hub (NG_HOSTS), came {host[:MAX_HOST]!a}"


def _request_id(scope: Scope) -> str:
    """The caller's `X-Request-ID` if it is a plain word, else a new one."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
