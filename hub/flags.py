"""Command line flags made from the settings: one `--max-connections` per field, so that the help is the table."""

import argparse
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hub.complaints import is_secret
from hub.config import PREFIX, Settings
from hub.quantities import Table


def settings_parser() -> argparse.ArgumentParser:
    """A parent parser with a flag for every setting that may stand on a command line."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    group = parser.add_argument_group("settings (flag, or environment variable, or key of the TOML file NG_CONFIG)")
    for name, field in Settings.model_fields.items():
        if not is_secret(field) and field.annotation != Table:
            _add_flag(group, name, field)
    return parser


def secrets_and_tables() -> str:
    """The settings that have no flag: secrets (a command line is visible to other users) and tables of the file."""
    lines = ["not as flags:"]
    for name, field in Settings.model_fields.items():
        if is_secret(field):
            lines.append(f"  {PREFIX + name.upper():<22} {field.description} (environment or file only)")
        elif field.annotation == Table:
            lines.append(f"  {'[' + name + ']':<22} {field.description}")
    return "\n".join(lines)


def shown_default(field: FieldInfo) -> str:
    """The default as a setting is written."""
    default: Any = field.get_default(call_default_factory=True, validated_data={})
    if default is None or default is PydanticUndefined or default == ():
        return "none"
    if isinstance(default, bool):
        return "on" if default else "off"
    return str(default)


def _add_flag(group: Any, name: str, field: FieldInfo) -> None:
    flag, variable = "--" + name.replace("_", "-"), PREFIX + name.upper()
    text = f"{field.description} ({variable}, default {shown_default(field)})".replace("%", "%%")
    if field.annotation is bool:
        group.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, help=text)
    else:
        group.add_argument(flag, dest=name, metavar="X", help=text)
