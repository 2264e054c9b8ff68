"""The hub's REST interface by the standard library: what is asked once needs no WebSocket."""

import json
from dataclasses import dataclass, field
from http.client import HTTPException
from ssl import SSLContext
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from ._version import __version__
from .errors import Disconnected, HubError, RequestTimeout, error_from
from .reasons import reason_of
from .urls import checked, is_loopback

# No answer of the interface is larger; what is larger is not ours.
_LARGEST = 32 << 20

# The name of a refusal that is only an HTTP status: no hub says it like that.
PLAIN = "http"


def http_base(url: str) -> str:
    """The root of the hub's HTTP interface, from the URL of its WebSocket."""
    parts = urlsplit(checked(url))
    return urlunsplit(("https" if parts.scheme == "wss" else "http", parts.netloc.rpartition("@")[2], "", "", ""))


@dataclass(frozen=True, slots=True)
class Rest:
    """The interface of the hub at the URL of its WebSocket; `timeout` in seconds for each question.

    `proxy` as for the client: that of the environment by default, another one by its URL, or None.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    timeout: float = 5.0
    ssl: SSLContext | None = None
    proxy: str | Literal[True] | None = True
    agent: str = f"neurograph-ws-client/{__version__}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The `data` of an answer; HubError by the code of a refusal. It blocks."""
        request = Request(http_base(self.url) + path, method=method)  # noqa: S310 - `http_base` makes http(s) only
        request.add_header("User-Agent", self.agent)
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        return _data_of(self._send(request), path)

    def _send(self, request: Request) -> bytes:
        late = f"no answer from {http_base(self.url)} within {self.timeout:g} s"
        try:
            with self._opener().open(request, timeout=self.timeout) as answer:
                content: bytes = answer.read(_LARGEST)
                return content
        except HTTPError as refusal:
            raise _refusal(refusal) from refusal
        except TimeoutError as fault:
            raise RequestTimeout(late) from fault
        except (URLError, HTTPException, OSError) as fault:
            reason = getattr(fault, "reason", fault)
            if isinstance(reason, TimeoutError):
                raise RequestTimeout(late) from fault
            text = reason_of(reason, self.url) if isinstance(reason, OSError) else str(reason)
            raise Disconnected(f"cannot connect to {http_base(self.url)}: {text}") from fault

    def _opener(self) -> OpenerDirector:
        handlers: list[Any] = []
        if self.proxy is None or is_loopback(self.url):
            handlers.append(ProxyHandler({}))
        elif isinstance(self.proxy, str):
            handlers.append(ProxyHandler({"http": self.proxy, "https": self.proxy}))
        if self.ssl is not None:
            handlers.append(HTTPSHandler(context=self.ssl))
        return build_opener(*handlers)


def _refusal(refusal: HTTPError) -> HubError:
    """The error of a REST answer, which has the members of the protocol's (E1, E2)."""
    try:
        answer = json.loads(refusal.read(_LARGEST))["error"]
        return error_from({**answer, "code": refusal.code})
    except (ValueError, KeyError, TypeError):
        return error_from({"code": refusal.code, "error": PLAIN, "message": f"HTTP {refusal.code} {refusal.reason}"})


def _data_of(content: bytes, path: str) -> Any:
    try:
        return json.loads(content)["data"]
    except (ValueError, KeyError, TypeError) as fault:
        text = f"{path}: expected an answer with success, data and meta, got {content[:80]!r}; is that a hub?"
        raise HubError(text) from fault
