"""The decoder's complaints in the protocol's words: which member, what was expected there, what came."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

MAX_SHOWN = 64
"""Characters of what came that an answer repeats."""
ID_FORM = "an integer from 0 to 2^53-1 or text of 1 to 64 bytes"

_AT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|\.?([^.\[\]]+)")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_TYPES = re.compile(r"Expected `([^`]*)`")
_KINDS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "str": ("text", (str,)),
    "int": ("an integer", (int,)),
    "float": ("a number", (int, float)),
    "bool": ("true or false", (bool,)),
    "object": ("an object", (dict,)),
    "array": ("an array", (list,)),
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """A wrong member (`path` empty: the whole document), and the sentence about it."""

    path: str
    sentence: str


def came(value: Any) -> str:
    """`value` as JSON names it, short."""
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return repr(value if len(value) <= MAX_SHOWN else value[:MAX_SHOWN] + "…")
        case dict():
            return "an object"
        case list():
            return "an array"
        case _:
            return repr(value)[:MAX_SHOWN]


def complaint_of(error: msgspec.ValidationError, document: Any, kind: type) -> Complaint:
    """What `error` says of `document`, which should have been a `kind`."""
    match = _AT.fullmatch(str(error))
    what, steps = (match["what"], _steps(match["path"] or "")) if match else (str(error), [])
    if missing := _MISSING.match(what):
        path = ".".join([*steps, missing[1]])
        return Complaint(path, f"{path}: expected {_expected(what, path, kind)}, it is missing")
    if unknown := _UNKNOWN.match(what):
        path = ".".join([*steps, unknown[1][:MAX_SHOWN]])
        return Complaint(path, f"{path}: no such member; expected {', '.join(getattr(kind, '__struct_fields__', ()))}")
    path, value = _find(document, steps, what)
    sentence = f"expected {_expected(what, path, kind)}, came {came(value)}"
    return Complaint(path, f"{path}: {sentence}" if path else sentence)


def _steps(path: str) -> list[str]:
    return [index or name for index, name in _STEP.findall(path)]


def _find(value: Any, steps: list[str], what: str) -> tuple[str, Any]:
    """The place of the complaint and what stands there; `...` is the first member of a map that is of no right type."""
    taken = []
    for step in steps:
        name: Any = step
        if isinstance(value, dict) and step == "...":
            name = next((key for key, child in value.items() if not _fits(child, what)), step)
        if isinstance(value, list) and step.isdecimal():
            name = int(step)
        taken.append(str(name)[:MAX_SHOWN])
        try:
            value = value[name]
        except (KeyError, IndexError, TypeError):
            return ".".join(taken), None
    return ".".join(taken), value


def _names(what: str) -> list[str]:
    found = _TYPES.match(what)
    return [name for name in found[1].split(" | ") if name != "null"] if found else []


def _fits(value: Any, what: str) -> bool:
    return any(type(value) in _KINDS[name][1] for name in _names(what) if name in _KINDS)


def _expected(what: str, path: str, kind: type) -> str:
    """What the member at `path` of `kind` should be: its own words, its choices, or the types the decoder names."""
    if path == "id":
        return ID_FORM
    if path == "type" and (config := getattr(kind, "__struct_config__", None)) is not None:
        return str(config.tag)
    hint = _hint(kind, path)
    if choices := _choices(hint):
        return " or ".join(choices)
    names = _names(what) or _names_of(hint)
    return " or ".join(_KINDS[name][0] if name in _KINDS else name for name in names) or "another value"


def _hint(kind: Any, path: str) -> Any:
    """The annotation of a member; None where `path` leads into what has none of its own."""
    for name in path.split("."):
        struct = next((part for part in (kind, *get_args(kind)) if hasattr(part, "__struct_fields__")), None)
        if struct is None:
            return None
        members = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
        kind = get_type_hints(struct).get(members.get(name, ""))
    return kind


def _choices(hint: Any) -> list[str]:
    parts = (hint, *get_args(hint))
    return [str(choice) for part in parts if get_origin(part) is Literal for choice in get_args(part)]


def _names_of(hint: Any) -> list[str]:
    """What the decoder would call the types of `hint`."""
    parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    words = {str: "str", int: "int", float: "float", bool: "bool", dict: "object", list: "array"}
    return [words[plain] for part in parts if (plain := get_origin(part) or part) in words]
