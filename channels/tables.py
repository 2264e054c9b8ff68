"""The `[channels."..."]` tables of the settings file: what each key takes, and what is refused.

A reader takes what TOML holds and raises `ValueError` with what was expected and what came.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from channels._native import Filter, FilterError
from channels.buckets import Rate
from channels.channel import DEFAULT_CHANNELS, KIB, MIB, PRESENCE, ChannelConfig
from channels.errors import ConfigError
from channels.names import MAX_CHANNEL
from channels.patterns import Pattern
from channels.permissions import NO_RIGHTS, Right, RightsByRole, Role

MAX_MESSAGE = 16 * MIB
MAX_SECONDS = 30 * 86_400.0
EMIT_CHANNEL = "signals"

_UNITS = {"": 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": 1_024 * MIB}
_size = re.compile(r"(\d{1,15})\s*([A-Za-z]*)").fullmatch


def read_channels(tables: Mapping[str, Any]) -> list[ChannelConfig]:
    """The six channels, changed and joined by `tables`. Raises `ConfigError` with one line for each fault."""
    known = {config.name: config for config in DEFAULT_CHANNELS}
    faults: list[str] = []
    for name, table in tables.items():
        known[name] = _read_channel(name, table, known.get(name) or _new(name), faults)
    if faults:
        raise ConfigError("\n".join(faults))
    return list(known.values())


def _new(name: str) -> ChannelConfig:
    """A channel of which nothing is said yet: open to admins only, kept like `logs`."""
    only_admin = frozenset({Right.SUBSCRIBE, Right.BROADCAST})
    return ChannelConfig(name, {Role.ADMIN: only_admin})


def _read_channel(name: str, table: object, base: ChannelConfig, faults: list[str]) -> ChannelConfig:
    try:
        read_name(name)
        items = _read_table(table, _KEYS).items()
    except ValueError as error:
        faults.append(f'[channels."{name}"]: {error}')
        return base
    config = base
    for key, value in items:
        try:
            config = _KEYS[key](config, value)
        except ValueError as error:
            faults.append(f'[channels."{name}"] {key}: {error}')
    faults.extend(_presence_faults(config))
    return config


def read_name(name: str) -> Pattern:
    """A configured name."""
    pattern = Pattern.parse(name)
    if f"{pattern.head}{pattern.tail}".endswith(PRESENCE):
        raise ValueError(f"expected a name that does not end in {PRESENCE} (presence = true makes it), came {name!r}")
    return pattern


def _presence_faults(config: ChannelConfig) -> Iterator[str]:
    most = MAX_CHANNEL - len(PRESENCE)
    if config.presence and len(config.name) > most:
        yield f'[channels."{config.name}"] presence: expected a name of at most {most} characters for a companion'


# --- keys of a channel ------------------------------------------------------------------------------------------------

_Reader = Callable[[ChannelConfig, Any], ChannelConfig]


def _rights_key(right: Right) -> _Reader:
    def read(config: ChannelConfig, value: object) -> ChannelConfig:
        if right is Right.EMIT and config.name != EMIT_CHANNEL:
            raise ValueError(f"expected emit on {EMIT_CHANNEL} only, came {value!r}")
        return replace(config, rights=_granted(config.rights, right, read_roles(value)))

    return read


def _granted(rights: RightsByRole, right: Right, roles: Iterable[Role]) -> RightsByRole:
    """`rights` with `right` for exactly `roles`."""
    chosen = frozenset(roles)
    return MappingProxyType(
        {role: (rights.get(role, NO_RIGHTS) - {right}) | ({right} if role in chosen else NO_RIGHTS) for role in Role}
    )


def _key(field: str, read: Callable[[Any], Any]) -> _Reader:
    return lambda config, value: replace(config, **{field: read(value)})


def read_roles(value: object) -> frozenset[Role]:
    """A list of roles or their aliases."""
    if not isinstance(value, list):
        raise ValueError(f"expected a list of roles, came {value!r}")
    return frozenset(Role.parse(read_text(item)) for item in value)


def read_text(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"expected a string, came {value!r}")
    return value


def read_flag(value: object) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, came {value!r}")
    return value


def read_seconds(value: object) -> float:
    """A positive number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MAX_SECONDS:
        raise ValueError(f"expected seconds above 0, at most {MAX_SECONDS:g}, came {value!r}")
    return float(value)


def read_bytes(value: object) -> int:
    """A number of bytes, or a text such as `"64MiB"`."""
    found = _size(str(value)) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    if found is None or found[2] not in _UNITS or int(found[1]) == 0:
        raise ValueError(f'expected bytes such as 65536 or "64MiB" (units KiB, MiB, GiB), came {value!r}')
    return int(found[1]) * _UNITS[found[2]]


def read_message_limit(value: object) -> int:
    """The largest message of a channel (L7)."""
    size = read_bytes(value)
    if not KIB <= size <= MAX_MESSAGE:
        raise ValueError(f'expected from "1KiB" to "16MiB", came {value!r}')
    return size


def read_rate(value: object) -> Rate:
    """`"60/10"`."""
    return Rate.parse(read_text(value))


def _choice(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"expected {' or '.join(choices)}, came {value!r}")
        return str(value)

    return read


def read_retention(config: ChannelConfig, value: object) -> ChannelConfig:
    """`{ seconds, bytes, durable, last_per_key }`; what is not said stays as it was."""
    kept = config.retention
    for key, inner in _read_table(value, _RETENTION_KEYS).items():
        field, read = _RETENTION_KEYS[key]
        try:
            kept = replace(kept, **{field: read(inner)})
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    return replace(config, retention=kept)


def read_policies(value: object) -> Mapping[Role, Filter]:
    """`{ role = filter }`: filters as in `subscribe` (PROTOCOL.md section 9)."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a table, came {value!r}")
    return MappingProxyType({Role.parse(role): _read_policy(role, table) for role, table in value.items()})


def _read_policy(role: str, table: object) -> Filter:
    if not isinstance(table, Mapping):
        raise ValueError(f"{role}: expected a filter, came {table!r}")
    try:
        text = json.dumps(table, allow_nan=False)
    except (ValueError, TypeError) as error:  # TOML has dates and infinities
        raise ValueError(f"{role}: expected what JSON can hold, came {table!r}: {error}") from None
    try:
        return Filter(text.encode())
    except FilterError as error:
        raise ValueError(f"{role}: {error}") from None


def _read_table(value: object, keys: Mapping[str, object]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a table, came {value!r}")
    for key in value:
        if key not in keys:
            raise ValueError(f"expected keys out of {', '.join(keys)}, came {key!r}")
    return value


_RETENTION_KEYS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "seconds": ("seconds", read_seconds),
    "bytes": ("max_bytes", read_bytes),
    "durable": ("durable", read_flag),
    "last_per_key": ("last_per_key", read_flag),
}

_KEYS: Mapping[str, _Reader] = {
    "subscribe": _rights_key(Right.SUBSCRIBE),
    "broadcast": _rights_key(Right.BROADCAST),
    "emit": _rights_key(Right.EMIT),
    "presence": _key("presence", read_flag),
    "delivery": _key("delivery", _choice("all", "latest")),
    "on_slow": _key("on_slow", _choice("gap", "close")),
    "retention": read_retention,
    "max_message": _key("max_message", read_message_limit),
    "publish_rate": _key("publish_rate", read_rate),
    "trace": _key("trace", read_flag),
    "policies": _key("policies", read_policies),
}
