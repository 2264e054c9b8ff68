"""Why there is no connection, in a few words."""

import errno
import os
import re
from ssl import SSLError

from .urls import masked

# What OpenSSL makes of an answer that is not TLS.
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_EOF_WHILE_READING"})


def reason_of(fault: BaseException, url: str) -> str:
    """The reason; asyncio names each address it tried, the first number says enough."""
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    if url.startswith("wss:") and _is_plain(fault):
        plain = masked(url).replace("wss:", "ws:", 1)
        return f"no TLS there; this port seems to speak plain ws: try {plain}"
    number = re.search(r"\[Errno (\d+)\]", str(fault))
    if number and int(number[1]) > 0:
        return os.strerror(int(number[1])).lower()
    return str(fault) or type(fault).__name__


def _is_plain(fault: BaseException) -> bool:
    """Whether the TLS handshake met no TLS: an answer of another kind, or a port that hung up on it."""
    if isinstance(fault, SSLError):
        return fault.reason in _NOT_TLS
    # asyncio tells an end within the handshake by an error that has neither number nor words.
    return isinstance(fault, ConnectionError) and (fault.errno == errno.ECONNRESET or not str(fault))
