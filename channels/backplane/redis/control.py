"""Messages on `ng:ctl`: how they are written and read. Plain JSON; what cannot be read is dropped and counted (N17)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

VERSION = 1


class UnreadableControlError(ValueError):
    """Bytes that are no message of this version."""


class Control(NamedTuple):
    """A message: who tells it, in which run, the how-manieth of that run, and how many of these were kept by then."""

    node: str
    run: str
    number: int
    kept: int
    kind: str
    body: Mapping[str, Any]
    is_kept: bool


def write_control(message: Control) -> bytes:
    """The bytes of a message."""
    return orjson.dumps([VERSION, *message])


def read_control(payload: bytes, most: int) -> Control:
    """The message in `payload`; raises `UnreadableControlError`."""
    if len(payload) > most:
        raise UnreadableControlError(f"expected at most {most} bytes, came {len(payload)}")
    try:
        version, *members = orjson.loads(payload)
    except (ValueError, TypeError) as error:
        raise UnreadableControlError(f"expected a JSON array: {error}") from error
    if version != VERSION:
        raise UnreadableControlError(f"expected version {VERSION}, came {str(version)[:16]}")
    kinds = (str, str, int, int, str, dict, bool)
    if len(members) != len(kinds) or not all(isinstance(one, kind) for one, kind in zip(members, kinds, strict=True)):
        raise UnreadableControlError("expected node, run, number, kept, kind, body, whether it is kept")
    return Control(*members)
