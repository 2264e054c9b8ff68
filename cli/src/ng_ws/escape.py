"""Text from the wire made harmless for a terminal: what would move a cursor or turn a line around is shown instead."""

import re

# C0, DEL, C1, line and paragraph separators, bidirectional controls, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_UNSAFE_ASCII = bytes([*range(0x20), 0x7F])


def escaped(text: str) -> str:
    """The text on one line, control characters as `\\x1b` or `\\u202e`."""
    return _UNSAFE.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def json_line(wire: bytes) -> bytes:
    """A JSON text as one line of the same value: line breaks between tokens become spaces, controls `\\u…` escapes."""
    if wire.isascii() and len(wire.translate(None, _UNSAFE_ASCII)) == len(wire):
        return wire
    text = wire.decode(errors="surrogatepass")
    return wire if _UNSAFE.search(text) is None else _UNSAFE.sub(_shown_in_json, text).encode()


def _shown_in_json(found: re.Match[str]) -> str:
    """Below the space a control can only stand between tokens (M10), elsewhere only within a string."""
    return " " if found[0] < " " else f"\\u{ord(found[0]):04x}"
