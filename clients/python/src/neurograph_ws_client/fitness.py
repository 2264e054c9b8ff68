"""What a message may hold: found before it is sent, and told with its place, what was expected and what came.

A hub refuses a message that it cannot read whole, often without knowing whose it was (M10, M13, M14); so nothing of
the kind leaves the client.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from .errors import BadRequest

# M10: levels of one message, itself counted.
DEEPEST = 32

# M13: integers of content, and of every other member.
_WHOLE = (-(2**63), 2**64 - 1, "an integer from -2^63 to 2^64-1")
_EXACT = (-(2**53 - 1), 2**53 - 1, "an integer from -(2^53-1) to 2^53-1")
_CONTENT = frozenset({"data", "payload"})

# Of a text only digits, as zeros, and points: what is left of a number once the beginning of its fraction is taken out.
_DIGITS = bytes(0x30 if 0x30 <= code <= 0x39 else 0x2E if code == 0x2E else 0x20 for code in range(256))
_LONG, _FRACTION = b"0" * 16, b"." + b"0" * 16

_LONGEST_PLACE = 120


class _Fault(NamedTuple):
    expected: str
    came: str
    # From the inside out.
    place: tuple[str, ...] = ()


def is_plain(text: bytes) -> bool:
    """Whether JSON that was written is certainly within the bounds of nesting and of integers.

    It has fewer brackets than there may be levels, and no integer of 16 digits.
    """
    if text.count(b"[") + text.count(b"{") > DEEPEST:
        return False
    return _LONG not in text.translate(_DIGITS).replace(_FRACTION, b".")


def fault_of(message: object, *, wants_names: bool = False) -> BadRequest | None:
    """The first value of a message that has no form on the wire; None where there is none.

    `wants_names`: names of members that are no text are faults too (M14), which JSON would write as text.
    """
    if not isinstance(message, Mapping):
        return None
    for name, value in message.items():
        bounds = _WHOLE if name in _CONTENT else _EXACT
        fault = _name_fault(name, wants_names) or _fault(value, 1, bounds, wants_names)
        if fault is not None:
            return _told(str(name), fault)
    return None


def _told(name: str, fault: _Fault) -> BadRequest:
    path = name + "".join(reversed(fault.place))
    shown = path if len(path) <= _LONGEST_PLACE else f"{path[:_LONGEST_PLACE]}…"
    return BadRequest(
        f"{shown}: expected {fault.expected}, got {fault.came}", error="bad_message", path=path.partition(" ")[0]
    )


def _fault(value: Any, depth: int, bounds: tuple[int, int, str], wants_names: bool) -> _Fault | None:
    if isinstance(value, str):
        return None if _is_text(value) else _Fault("text without lone surrogates", shown(value))
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        low, high, expected = bounds
        return None if low <= value <= high else _Fault(expected, shown(value))
    if isinstance(value, float):
        return None if isfinite(value) else _Fault("a finite number", shown(value))
    if isinstance(value, dict | list | tuple):
        return _fault_within(value, depth, bounds, wants_names)
    # The whole of `data` may be bytes (B4, M14): that is a matter of the codec.
    return _Fault("a JSON value", shown(value))


def _fault_within(
    value: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int, bounds: tuple[int, int, str], wants_names: bool
) -> _Fault | None:
    if depth == DEEPEST:
        return _Fault(f"at most {DEEPEST} levels of nesting in a message", "more")
    is_object = isinstance(value, dict)
    members: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in members:
        is_plain_name = type(name) is str and name.isascii()
        fault = None if not is_object or is_plain_name else _name_fault(name, wants_names)
        if fault is not None:
            return fault
        fault = None if _is_fine(member) else _fault(member, depth + 1, bounds, wants_names)
        if fault is not None:
            return fault._replace(place=(*fault.place, f".{name}" if is_object else f"[{name}]"))
    return None


def _is_fine(value: Any) -> bool:
    """What most values are: told at the least cost."""
    kind = type(value)
    return (kind is str and value.isascii()) or (kind is float and value - value == 0.0) or value is None


def _name_fault(name: Any, wants_names: bool) -> _Fault | None:
    if isinstance(name, str):
        is_name = _is_text(name)
    else:
        is_name = not wants_names and (
            name is None or isinstance(name, int) or (type(name) is float and isfinite(name))
        )
    return None if is_name else _Fault("a name that is text", shown(name), (" (a name in it)",))


def _is_text(value: str) -> bool:
    """Half of a surrogate pair is no text (M10)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """A value as a message shows it."""
    if isinstance(value, int) and not -(10**80) < value < 10**80:
        return f"one of {value.bit_length():,} bits"
    return f"{value!r:.80}"
