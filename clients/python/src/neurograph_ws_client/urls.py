"""Addresses of hubs: checked, recognised as this machine, and shown without what is secret in them."""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

UrlSource = str | Callable[[], str]

_SECRET = re.compile(r"([?&](?:token|reconnection_token)=)[^&#]*")
_USER = re.compile(r"//[^/@]*@")


def checked(url: str) -> str:
    """The URL, if it is one of a WebSocket; ValueError says what was expected."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"ws", "wss"} and bool(parts.hostname) and (parts.port or 1) > 0
    except (ValueError, AttributeError, TypeError):
        is_good = False
    if not is_good:
        raise ValueError(f"url: expected one like ws://localhost:8000/ws, got {masked(str(url))!r}")
    return url


def masked(url: str) -> str:
    """The URL without credentials, for messages and `repr`."""
    return _USER.sub("//***@", _SECRET.sub(r"\1***", url))


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine: proxies of the environment would otherwise swallow localhost."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Address:
    """Where the last attempt went, and the next one goes."""

    def __init__(self, source: UrlSource) -> None:
        self._source = source
        self.last = "" if callable(source) else checked(source)

    @property
    def is_asked(self) -> bool:
        """Whether the source is asked for each attempt: what it says next may do where this did not."""
        return callable(self._source)

    def ask(self) -> str:
        """For the next attempt; ValueError, or what the source raised."""
        if callable(self._source):
            self.last = checked(self._source())
        return self.last
