"""The hub's REST interface by the standard library: what is asked once needs no WebSocket."""

import json
import ssl
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from neurograph_ws_client.errors import Disconnected, HubError, RequestTimeout, error_from
from neurograph_ws_client.reasons import reason_of
from neurograph_ws_client.urls import checked, is_loopback

from ._version import __version__
from .settings import Settings

# No answer of the interface is larger; what is larger is not ours.
_LARGEST = 32 << 20


def http_base(url: str) -> str:
    """The root of the hub's HTTP interface, from the URL of its WebSocket."""
    parts = urlsplit(checked(url))
    return urlunsplit(("https" if parts.scheme == "wss" else "http", parts.netloc.rpartition("@")[2], "", "", ""))


def call(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """The `data` of an answer; HubError by the code of a refusal."""
    request = Request(http_base(settings.url) + path, method=method)  # noqa: S310 - `http_base` makes http(s) only
    request.add_header("User-Agent", f"ng-ws/{__version__}")
    if settings.token is not None:
        request.add_header("Authorization", f"Bearer {settings.token}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    return _data_of(_send(settings, request), path)


def _send(settings: Settings, request: Request) -> bytes:
    try:
        with _opener(settings).open(request, timeout=settings.timeout) as answer:
            content: bytes = answer.read(_LARGEST)
            return content
    except HTTPError as refusal:
        raise _refusal(refusal) from refusal
    except TimeoutError as fault:
        raise RequestTimeout(f"no answer from {http_base(settings.url)} within {settings.timeout:g} s") from fault
    except (URLError, HTTPException, OSError) as fault:
        reason = getattr(fault, "reason", fault)
        if isinstance(reason, TimeoutError):
            raise RequestTimeout(f"no answer from {http_base(settings.url)} within {settings.timeout:g} s") from fault
        text = reason_of(reason, settings.url) if isinstance(reason, OSError) else str(reason)
        raise Disconnected(f"cannot connect to {http_base(settings.url)}: {text}") from fault


def _opener(settings: Settings) -> OpenerDirector:
    handlers: list[Any] = []
    if is_loopback(settings.url):
        handlers.append(ProxyHandler({}))
    if settings.is_insecure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        handlers.append(HTTPSHandler(context=context))
    return build_opener(*handlers)


def _refusal(refusal: HTTPError) -> HubError:
    """The error of a REST answer, which has the members of the protocol's (E1, E2)."""
    try:
        answer = json.loads(refusal.read(_LARGEST))["error"]
        return error_from({**answer, "code": refusal.code})
    except (ValueError, KeyError, TypeError):
        return error_from({"code": refusal.code, "error": "http", "message": f"HTTP {refusal.code} {refusal.reason}"})


def _data_of(content: bytes, path: str) -> Any:
    try:
        return json.loads(content)["data"]
    except (ValueError, KeyError, TypeError) as fault:
        text = f"{path}: expected an answer with success, data and meta, got {content[:80]!r}; is that a hub?"
        raise HubError(text) from fault
