"""The one form of REST answers: `success`, `data` or `error`, `meta` (acceptance H2, H3)."""

import datetime
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.responses import Response

from channels.errors import BrokerError
from hub.auth import AuthError
from hub.protocol.errors import Refusal

JSON = "application/json"


class HttpProblem(Exception):  # noqa: N818 - the client erred, or the hub is busy; neither is a fault of the code
    """A refusal that only HTTP knows: status, stable name, a sentence, and headers."""

    def __init__(
        self,
        code: int,
        error: str,
        message: str,
        *,
        temporary: bool = False,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """`details`: further members of E2."""
        super().__init__(message)
        self.code = code
        self.error = error
        self.message = message
        self.temporary = temporary
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.details = dict(details or {})

    def members(self) -> dict[str, Any]:
        """The shape of E1 and E2, so that one reader serves both interfaces."""
        shape: dict[str, Any] = {
            "code": self.code,
            "error": self.error,
            "message": self.message,
            "temporary": self.temporary,
            **self.details,
        }
        return shape if self.retry_after is None else {**shape, "retry_after": self.retry_after}


Problem = HttpProblem | Refusal | BrokerError | AuthError


@dataclass(slots=True)
class RequestInfo:
    """What is known of a request before anything looks at it."""

    request_id: str
    address: str
    started: float = field(default_factory=time.perf_counter)
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that the answer carries, whatever it is (rate limits)."""

    def meta(self) -> dict[str, Any]:
        """The member `meta`."""
        return {
            "processing_time_ms": round((time.perf_counter() - self.started) * 1_000, 3),
            "timestamp": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": self.request_id,
        }


def success(info: RequestInfo, data: Any, status: int = 200) -> Response:
    """`{"success": true, "data": ..., "meta": ...}`."""
    return _respond(info, status, {"success": True, "data": data, "meta": info.meta()})


def failure(info: RequestInfo, problem: Problem) -> Response:
    """`{"success": false, "error": {code, error, message, temporary, ...}, "meta": ...}`."""
    members = members_of(problem)
    headers = dict(problem.headers) if isinstance(problem, HttpProblem) else {}
    if members.get("retry_after") is not None:
        headers["Retry-After"] = str(math.ceil(members["retry_after"]))
    if members["code"] == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return _respond(info, members["code"], {"success": False, "error": members, "meta": info.meta()}, headers)


def members_of(problem: Problem) -> dict[str, Any]:
    """code, error, message, temporary and what E2 adds."""
    if isinstance(problem, AuthError):
        return {"code": 401, "error": problem.slug, "message": problem.message, "temporary": False}
    return problem.members()


@contextmanager
def about(**given: str | None) -> Iterator[None]:
    """What is refused here is told with the members of the message that E2 has repeated: `channel`, `mid`.

    An error may be that of several publications at once, so it is not changed.
    """
    try:
        yield
    except (Refusal, BrokerError) as problem:
        members = problem.members()
        details = {name: value for name, value in given.items() if value is not None} | members
        known = {name: details.pop(name, None) for name in ("code", "error", "message", "temporary", "retry_after")}
        raise HttpProblem(**known, details=details) from problem


def _respond(info: RequestInfo, status: int, document: Any, headers: Mapping[str, str] | None = None) -> Response:
    body = orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)
    return Response(body, status, {"X-Request-ID": info.request_id, **info.headers, **(headers or {})}, JSON)
