"""Which form of permessage-deflate a handshake chooses (B2, RFC 7692 section 7)."""

from collections.abc import Iterable

EXTENSION = "permessage-deflate"
ANSWER = f"{EXTENSION}; server_no_context_takeover; client_no_context_takeover"
MAX_OFFERS = 16
_WINDOW = "15"
_SIZES = frozenset(str(bits) for bits in range(8, 16))
_FLAGS = frozenset({"server_no_context_takeover", "client_no_context_takeover"})


def negotiate_deflate(headers: Iterable[bytes]) -> str | None:
    """The `Sec-WebSocket-Extensions` that answers the first offer that can be taken; None where there is none."""
    offers = (offer for header in headers for offer in header.decode("latin-1").split(","))
    for _, offer in zip(range(MAX_OFFERS), offers, strict=False):
        answer = _answer(offer)
        if answer is not None:
            return answer
    return None


def _answer(offer: str) -> str | None:
    """What is said to one offer. No value of a parameter that is known here holds a comma, a semicolon or a quote."""
    name, *parameters = (part.strip() for part in offer.split(";"))
    if name.lower() != EXTENSION:
        return None
    given: dict[str, str | None] = {}
    for parameter in parameters:
        key, has_value, text = (part.strip() for part in parameter.partition("="))
        is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
        value = (text[1:-1] if is_quoted else text) if has_value else None
        if key in given or not _is_valid(key, value):
            return None
        given[key] = value
    window = given.get("server_max_window_bits")
    if window is None:
        return ANSWER
    return f"{ANSWER}; server_max_window_bits={window}" if window == _WINDOW else None


def _is_valid(key: str, value: str | None) -> bool:
    if key in _FLAGS:
        return value is None
    if key == "server_max_window_bits":
        return value in _SIZES
    return key == "client_max_window_bits" and (value is None or value in _SIZES)
