"""What can still be told of a message that cannot be read: whose answer it is, or which event.

One pass over the tokens, without recursion and without understanding what stands between them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# The members that say what a message is about.
TELLING = frozenset({"type", "id", "channel", "offset"})

# A string that does not end is one token too: from each of its quotes on it would be looked for anew.
_TOKEN = re.compile(rb'"(?:[^"\\]+|\\.)*+(?:"|\\?\Z)|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)

# What closes each bracket.
_CLOSING = {b"[": b"]", b"{": b"}"}


class Unread(NamedTuple):
    """In place of a message that cannot be read: those of its members that tell what it was, and what is wrong.

    With `is_endless` it cannot be told where it ends: nothing is known of what came behind it in the same array.
    """

    members: Mapping[str, Any]
    why: str
    is_endless: bool = False


class Elements(NamedTuple):
    """Of what was to be an array: elements whose ends are found, and the text from the first one on whose is not."""

    whole: list[bytes]
    rest: bytes | None


def telling_of(text: bytes) -> dict[str, Any]:
    """The telling members of what was to be a JSON object; those that can be found."""
    found: dict[str, Any] = {}
    depth, name, is_value = 0, "", False
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in _CLOSING:
            depth += 1
        elif word in (b"]", b"}"):
            depth -= 1
            if depth <= 0:
                break
        elif depth == 1 and word in (b":", b","):
            is_value = word == b":"
        elif depth == 1 and not is_value:
            name = word[1:-1].decode(errors="replace")
        elif depth == 1 and name in TELLING and token.end() < len(text):
            found.update(_plain(name, word))
    return found


def _plain(name: str, word: bytes) -> Mapping[str, Any]:
    try:
        return {name: json.loads(word)}
    except ValueError:
        return {}


def elements_of(text: bytes) -> Elements | None:
    """The elements of what was to be a JSON array; None where it is none."""
    whole: list[bytes] = []
    # What closes the brackets that are open, and where the element begins that is gone through.
    awaited, start = bytearray(), 0
    for token in _TOKEN.finditer(text):
        word, depth = token[0], len(awaited)
        if depth == 0 and word != b"[":
            return None
        if depth == 1:
            start = token.start()
        if word in _CLOSING:
            awaited += _CLOSING[word]
        elif word in (b"]", b"}"):
            if awaited[-1:] != word:
                break
            awaited.pop()
        if not awaited:
            return Elements(whole, None)
        if len(awaited) == 1:
            if depth and word != b",":
                whole.append(text[start : token.end()])
            start = token.end()
    return Elements(whole, text[start:]) if awaited else None
