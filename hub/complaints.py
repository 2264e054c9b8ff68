"""Sentences for values of settings that the validator refuses: the setting, what was expected, what came."""

import os
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

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
    "dict_type": "a table of the TOML file",
}


def explain(line: Any, flags: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> str:
    """One line of a `ValidationError`."""
    path = ".".join(str(part) for part in line["loc"])
    if line["type"] == "extra_forbidden":
        return f"{path}: expected a setting, came a name that is none; neurograph-hub --help lists them"
    message = str(line["msg"]).removeprefix("Value error, ")
    if not path:
        return message  # sentences of hub.refusals, which name their settings
    if line["type"] == "value_error":
        return f"{PREFIX}{path.upper()}: {message}"  # from hub.quantities: expected and came stand there already
    expected = _EXPECTED.get(line["type"]) or message.removeprefix("Input should be ")
    return f"{PREFIX}{path.upper()}: expected {expected}, came {_came(path, flags, fields)}"


def _came(path: str, flags: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> str:
    """What stood there, unless it is a secret."""
    name = path.split(".", 1)[0]
    if is_secret(fields[name]):
        return "***"
    return repr(flags.get(name, os.environ.get(PREFIX + name.upper(), "the value of the file")))


def is_secret(field: FieldInfo) -> bool:
    """Whether its value must not be shown."""
    parts = get_args(field.annotation)
    return SecretStr in (field.annotation, *parts, *(inner for part in parts for inner in get_args(part)))
