"""Filters of the protocol on rows that are here already: F1 to F7 of PROTOCOL.md, for queries about tokens."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

_ABSENT = object()


def matches(condition: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row, as `data` of an event, is let through."""
    return all(_member(name, wanted, row) for name, wanted in condition.items())


def _member(name: str, wanted: Any, row: Mapping[str, Any]) -> bool:
    match name:
        case "all":
            return all(matches(one, row) for one in wanted)
        case "any":
            return any(matches(one, row) for one in wanted)
        case "not":
            return not matches(wanted, row)
    value = _value(name, row)
    if not isinstance(wanted, Mapping):
        return _equal(value, wanted)
    return all(_holds(operator, operand, value) for operator, operand in wanted.items())


def _value(path: str, row: Mapping[str, Any]) -> Any:
    """What stands at `data.…`; a missing member is no member, and None is one."""
    found: Any = row
    for segment in path.removeprefix("data.").split("."):
        if isinstance(found, Mapping):
            found = found.get(segment, _ABSENT)
        elif isinstance(found, Sequence) and not isinstance(found, str) and segment.isdecimal():
            found = found[int(segment)] if int(segment) < len(found) else _ABSENT
        else:
            return _ABSENT
    return found


def _holds(operator: str, operand: Any, value: Any) -> bool:
    if operator == "exists":
        return (value is not _ABSENT) is operand
    if value is _ABSENT:
        return False
    match operator:
        case "eq":
            return _equal(value, operand)
        case "ne":
            return not _equal(value, operand)
        case "in":
            return any(_equal(value, one) for one in operand)
        case "nin":
            return not any(_equal(value, one) for one in operand)
        case "prefix":
            return isinstance(value, str) and value.startswith(operand)
        case "contains":
            return _contains(value, operand)
        case "near":
            return _is_near(value, operand)
    return _compares(operator, value, operand)


def _compares(operator: str, value: Any, operand: Any) -> bool:
    if not (_are(value, operand, str) or (_is_number(value) and _is_number(operand))):
        return False
    match operator:
        case "gt":
            return bool(value > operand)
        case "gte":
            return bool(value >= operand)
        case "lt":
            return bool(value < operand)
        case "lte":
            return bool(value <= operand)
    raise ValueError(f"expected an operator of PROTOCOL.md (F3), came {operator}")


def _equal(value: Any, operand: Any) -> bool:
    if _is_number(value) and _is_number(operand):
        return bool(value == operand)
    return type(value) is type(operand) and bool(value == operand)


def _contains(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return isinstance(operand, str) and operand in value
    return isinstance(value, Sequence) and any(_equal(one, operand) for one in value)


def _is_near(value: Any, operand: Mapping[str, Any]) -> bool:
    center = operand["center"]
    is_vector = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == len(center)
    if not is_vector or not all(_is_number(one) and math.isfinite(one) for one in value):
        return False
    return bool(math.dist(value, center) <= operand["radius"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are(value: Any, operand: Any, kind: type) -> bool:
    return isinstance(value, kind) and isinstance(operand, kind)
