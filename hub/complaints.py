"""Sentences for values of settings that the validator refuses: the setting, what was expected, what came."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hub.quantities import Table

PREFIX = "NG_"

_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "byte_size": "a size such as 65536 or 64MiB",
    "byte_size_unit": "a size such as 65536 or 64MiB",
    "string_type": "text",
    "dict_type": "a table of the TOML file",
}


@dataclass(frozen=True, slots=True)
class Origins:
    """Where values may have come from: flags, then the environment, then the file (`table` is what it holds)."""

    flags: Mapping[str, Any]
    file: object = None
    table: Mapping[str, Any] = field(default_factory=dict)

    def is_in_file(self, name: str) -> bool:
        """Whether it is the file's value that counts."""
        return name not in self.flags and not os.environ.get(PREFIX + name.upper()) and name in self.table

    def value(self, path: str) -> Any:
        """What stood at `path`."""
        name, *inner = path.split(".")
        if not self.is_in_file(name):
            return self.flags.get(name, os.environ.get(PREFIX + name.upper()))
        value = self.table[name]
        for step in inner:
            value = value[step] if isinstance(value, Mapping) and step in value else value
        return value


def explain(line: Any, origins: Origins, fields: Mapping[str, FieldInfo]) -> str:
    """One line of a `ValidationError`."""
    path = ".".join(str(part) for part in line["loc"])
    message = str(line["msg"]).removeprefix("Value error, ")
    if not path:
        return message  # sentences of hub.refusals, which name their settings
    name = path.split(".", 1)[0]
    is_in_file = origins.is_in_file(name)
    if line["type"] == "extra_forbidden":
        return _no_setting(name, origins, fields)
    where, file = (path, f" (in {origins.file})") if is_in_file else (PREFIX + path.upper(), "")
    if line["type"] == "value_error":
        return f"{where}: {message}{file}"  # from hub.quantities: expected and came stand there already
    expected = _EXPECTED.get(line["type"]) or message.removeprefix("Input should be ")
    came = "***" if is_secret(fields[name]) else repr(origins.value(path))
    return f"{where}: expected {expected}, came {came}{file}"


def _no_setting(name: str, origins: Origins, fields: Mapping[str, FieldInfo]) -> str:
    if not origins.is_in_file(name):
        return f"{name}: expected a setting, came a name that is none; neurograph-hub --help lists them"
    tables = ", ".join(f"[{known}.NAME]" for known, info in fields.items() if info.annotation == Table)
    shown = f"[{name}]" if isinstance(origins.table[name], Mapping) else name
    return f"{shown} is no setting (in {origins.file}){meant(name, fields)}; tables are {tables}, --help lists the rest"


def meant(name: str, known: Iterable[str]) -> str:
    """The nearest known name, to be put after a sentence; empty where none is near."""
    near = get_close_matches(name, known, 1)
    return f"; the nearest is {near[0]}" if near else ""


def is_secret(field: FieldInfo) -> bool:
    """Whether its value must not be shown."""
    parts = get_args(field.annotation)
    return SecretStr in (field.annotation, *parts, *(inner for part in parts for inner in get_args(part)))
