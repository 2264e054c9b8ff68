"""What can still be told of a message that cannot be read: whose answer it is, or which event.

One pass over the tokens, without recursion and without understanding what stands between them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# The members that say what a message is about.
TELLING = frozenset({"type", "id", "channel", "offset"})

# A string that does not end is one token too: from each of its quotes on it would be looked for anew.
_TOKEN = re.compile(rb'"(?:[^"\\]+|\\.)*+(?:"|\\?\Z)|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)


class Unread(NamedTuple):
    """In place of a message that cannot be read: those of its members that tell what it was, and what is wrong."""

    members: Mapping[str, Any]
    why: str


def telling_of(text: bytes) -> dict[str, Any]:
    """The telling members of what was to be a JSON object; those that can be found."""
    found: dict[str, Any] = {}
    depth, name, is_value = 0, "", False
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in (b"[", b"{"):
            depth += 1
        elif word in (b"]", b"}"):
            depth -= 1
        elif depth == 1 and word in (b":", b","):
            is_value = word == b":"
        elif depth == 1 and not is_value:
            name = word[1:-1].decode(errors="replace")
        elif depth == 1 and name in TELLING:
            found.update(_plain(name, word))
    return found


def _plain(name: str, word: bytes) -> Mapping[str, Any]:
    try:
        return {name: json.loads(word)}
    except ValueError:
        return {}


def elements_of(text: bytes) -> Iterator[bytes]:
    """The elements of what was to be a JSON array of objects; nothing where it is none."""
    depth, start = 0, 0
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in (b"[", b"{"):
            if depth == 0 and word == b"{":
                return
            depth += 1
            start = token.start() if depth == 2 else start
        elif word in (b"]", b"}"):
            depth -= 1
            if depth == 1:
                yield text[start : token.end()]
