"""Text from the wire made harmless for a terminal: what would move a cursor or turn a line around is shown instead."""

import re

# C0, DEL, C1, line and paragraph separators, bidirectional controls, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# The same in the UTF-8 of a JSON text, where the first of them can only stand between tokens.
_UNSAFE_JSON = re.compile(
    rb"[\x00-\x1f]|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xed[\xa0-\xbf][\x80-\xbf]"
)


def escaped(text: str) -> str:
    """The text on one line, control characters as `\\x1b` or `\\u202e`."""
    return _UNSAFE.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def json_line(wire: bytes) -> bytes:
    """A JSON text as one line of the same value: line breaks between tokens become spaces, controls `\\u…` escapes."""
    if _UNSAFE_JSON.search(wire) is None:
        return wire
    return _UNSAFE_JSON.sub(_shown_json, wire)


def _shown_json(found: re.Match[bytes]) -> bytes:
    if found[0] < b"\x20":
        return b" "
    return f"\\u{ord(found[0].decode(errors='surrogatepass')):04x}".encode()
