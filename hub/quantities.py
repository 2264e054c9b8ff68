"""Kinds of values that settings are made of: rates, lists, networks, origins, secrets' sources.

Each reader takes what a flag, an environment variable or a TOML file may hold and raises `ValueError` with what was
expected and what came.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from channels.buckets import Rate

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_HOST = 255
"""Characters: no name in the DNS is longer."""
_NODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def read_rate(value: object) -> Rate:
    """`"60/10"`, `[60, 10]` or a `Rate`: capacity and refill per second, both above zero."""
    if isinstance(value, Rate):
        return value
    text = "/".join(str(part) for part in value) if isinstance(value, (list, tuple)) else str(value)
    return Rate.parse(text)


def read_list(value: object) -> tuple[str, ...]:
    """`"a, b"` or a list of strings."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, Iterable):
        return tuple(str(part) for part in value)
    raise ValueError(f"expected a list separated by commas, came {value!r}")


def read_names(value: object) -> tuple[str, ...]:
    """Host names, in lower case."""
    return tuple(name.lower() for name in read_list(value))


def read_networks(value: object) -> tuple[Network, ...]:
    """Addresses and networks in CIDR form."""
    return tuple(_read_network(part) for part in read_list(value))


def _read_network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"expected an address or a network such as 10.0.0.0/8, came {text!r}") from None


def read_origins(value: object) -> tuple[str, ...]:
    """Exact origins `scheme://host[:port]`, or `null` (C12)."""
    return tuple(text if text == "null" else read_origin(text) for text in read_list(value))


def read_origin(text: str) -> str:
    """An origin in its one spelling: lower case, without a path, without the scheme's own port."""
    expected = f"expected scheme://host[:port] without a path, came {text!r}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None or text.endswith("?"):
        raise ValueError(expected)
    if parts.path or parts.query or parts.fragment:
        raise ValueError(expected)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return (
        f"{parts.scheme}://{host}"
        if port in (None, _DEFAULT_PORTS[parts.scheme])
        else f"{parts.scheme}://{host}:{port}"
    )


def read_node(value: object) -> str:
    """The node's name: it stands in keys of `metrics` and `status`, so it keeps to their alphabet."""
    if isinstance(value, str) and _NODE.fullmatch(value):
        return value
    raise ValueError(f"expected 1 to 64 of A-Z a-z 0-9 _ . -, came {value!r}")


def host_name() -> str:
    """This machine's name, cut to what `read_node` takes."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64] or "node"


def is_loopback(host: str) -> bool:
    """Whether `host` (an address or a name, IPv6 with or without brackets) can only be this machine."""
    return len(host) <= LONGEST_HOST and _is_loopback(host)


@lru_cache(1_024)
def _is_loopback(host: str) -> bool:
    bare = host.removeprefix("[").removesuffix("]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


RateSetting = Annotated[Rate, NoDecode, BeforeValidator(read_rate)]
SecretsSetting = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(read_list)]

NamesSetting = Annotated[tuple[str, ...], NoDecode, BeforeValidator(read_names)]
NetworksSetting = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(read_networks)]
OriginsSetting = Annotated[tuple[str, ...], NoDecode, BeforeValidator(read_origins)]
NodeSetting = Annotated[str, BeforeValidator(read_node)]
Table = dict[str, Any]
