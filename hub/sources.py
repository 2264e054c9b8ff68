"""Where settings come from below flags and environment: the TOML file, and the preset that `NG_LIMITS` chooses."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from channels.errors import ConfigError

STRICT: Mapping[str, Any] = {"max_connections": 100, "max_connections_per_address": 10}
"""What `NG_LIMITS=strict` puts in place of the defaults; a value that is set by name wins."""


class _Below(PydanticBaseSettingsSource):
    """A source that depends on what stronger ones said."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # the whole table comes from __call__


class TomlFile(_Below):
    """The file that `config` names."""

    def __call__(self) -> dict[str, Any]:  # noqa: D102 - described by its base
        path = self.current_state.get("config")
        return {} if path is None else read_toml(Path(path))


class Preset(_Below):
    """What `limits` chooses."""

    def __call__(self) -> dict[str, Any]:  # noqa: D102 - described by its base
        return dict(STRICT) if self.current_state.get("limits") == "strict" else {}


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a settings file; `ConfigError` names the file and the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"NG_CONFIG: expected a readable file, came {str(path)!r}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"NG_CONFIG: expected TOML in {str(path)!r}: {error}") from error
