"""Connections from one URL: to a single Redis, to the master that Sentinel names, or to the nodes of a cluster.

What is made here is one connection at a time, and has no time-outs of its own: its owner watches the time. Nothing is
ever retried or connected again behind the owner's back.
"""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    DefaultParser,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from channels.backplane.redis.errors import NotSentError
from channels.backplane.redis.options import RedisOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Address = tuple[str, int]
SENTINEL_PORT = 26_379
REDIS_PORT = 6_379
READ_SIZE = 65_536


class BoundedParser(DefaultParser):  # type: ignore[misc, valid-type]
    """Reads replies and pushed messages up to `most` bytes; what is larger ends the connection before it is held."""

    most = 512 * 1_024 * 1_024
    _fed = 0

    async def read_response(self, disable_decoding: bool = False, push_request: bool = False) -> Any:
        """The next reply or pushed message."""
        self._fed = 0
        return await super().read_response(disable_decoding, push_request)

    async def read_from_socket(self) -> bool:
        """As the parser of redis-py, with a limit to what one reply may take."""
        if self._fed > self.most:
            raise OversizeError(f"expected at most {self.most} bytes on the bus")
        self._fed += READ_SIZE
        return bool(await super().read_from_socket())

    async def handle_push_response(self, response: Any, **_: Any) -> Any:
        """What was published, as it came."""
        return response


class OversizeError(RedisError):
    """A message on the bus is larger than a node reads."""


class Dialer:
    """Makes connections. For a cluster, `seeds` are where to ask for its nodes; else they are where the master is."""

    def __init__(self, options: RedisOptions) -> None:
        self._options = options
        parts = urlsplit(options.url)
        scheme, _, kind = parts.scheme.partition("+")
        if kind not in ("", "sentinel", "cluster") or scheme not in ("redis", "rediss", "unix"):
            raise ValueError(f"expected redis, rediss, unix, redis+sentinel or redis+cluster, came {parts.scheme!r}")
        self.is_cluster = kind == "cluster"
        self.seeds: Sequence[Address] = ()
        self._master_name = ""
        self._sentinel_login: Mapping[str, Any] = {}
        if kind:
            port = SENTINEL_PORT if kind == "sentinel" else REDIS_PORT
            self.seeds = _addresses(parts, port)
            parts = _first_only(parts, scheme)
        if kind == "sentinel":
            self._master_name, _, database = parts.path.strip("/").partition("/")
            if not self._master_name:
                raise ValueError("expected redis+sentinel://host:port/name-of-the-master, came no name")
            parts = parts._replace(path=f"/{database}")
        settings: dict[str, Any] = dict(parse_url(urlunsplit(parts)))
        self._sentinel_login = {
            name: settings.pop(f"sentinel_{name}")
            for name in ("username", "password")
            if f"sentinel_{name}" in settings
        }
        default: type[AbstractConnection] = SSLConnection if scheme == "rediss" else Connection
        self._class: type[AbstractConnection] = settings.pop("connection_class", default)
        for name in ("max_connections", "socket_timeout", "socket_connect_timeout", "retry_on_timeout", "protocol"):
            settings.pop(name, None)
        self._settings = settings

    @property
    def is_sentinel(self) -> bool:
        """The master is asked for before each connection."""
        return bool(self._master_name)

    def __repr__(self) -> str:
        return f"<Dialer {self.place}>"

    @property
    def place(self) -> str:
        """Where it connects to, without a credential."""
        if self.is_cluster or self.is_sentinel:
            told = ",".join(f"{host}:{port}" for host, port in self.seeds)
            return f"{'cluster' if self.is_cluster else 'sentinel'} {told}"
        path = self._settings.get("path")
        return path or f"{self._settings.get('host', 'localhost')}:{self._settings.get('port', REDIS_PORT)}"

    async def dial(self, address: Address | None = None, *, listens: bool = False) -> AbstractConnection:
        """A connection that has logged in; raises `NotSentError`. `address`: that node of the cluster.

        `listens`: speaks RESP3, so that it may subscribe and send commands as well (N9).
        """
        options = self._options
        try:
            async with asyncio.timeout(options.connect + options.command):
                if self.is_sentinel:
                    address = await self._master()
                return await self._connected(address, listens=listens)
        except (RedisError, OSError, TimeoutError) as error:
            raise NotSentError(f"no connection to {self.place}: {error or type(error).__name__}") from error

    async def _connected(self, address: Address | None, *, listens: bool) -> AbstractConnection:
        settings = dict(self._settings)
        if address is not None and self._class is not UnixDomainSocketConnection:
            settings["host"], settings["port"] = address
        if listens:
            settings["parser_class"] = type("Parser", (BoundedParser,), {"most": self._options.bus_message + READ_SIZE})
        return await _connect(
            self._class(
                **settings,
                **self._manners(),
                protocol=3 if listens else 2,
                client_name=_client_name(self._options.node),
            )
        )

    async def _master(self) -> Address:
        """The first Sentinel that knows it is believed; whether it is one is seen by its own word."""
        failure: Exception | None = None
        for host, port in self.seeds:
            try:
                connection = await _connect(
                    Connection(host=host, port=port, **self._sentinel_login, **self._manners(), protocol=2)
                )
            except (RedisError, OSError) as error:
                failure = error
                continue
            try:
                await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master_name)
                found = await connection.read_response()
            except (RedisError, OSError) as error:
                failure = error
                continue
            finally:
                await connection.disconnect(nowait=True)
            if found:
                return found[0].decode(), int(found[1])
        raise NotSentError(f"no Sentinel of {self.place} knows {self._master_name}: {failure or 'not configured'}")

    def _manners(self) -> dict[str, Any]:
        return {
            "socket_timeout": None,
            "socket_connect_timeout": self._options.connect,
            "retry": Retry(NoBackoff(), 0),
            "socket_read_size": READ_SIZE,
            "driver_info": None,
        }


async def _connect(connection: AbstractConnection) -> AbstractConnection:
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection


def _addresses(parts: SplitResult, port: int) -> list[Address]:
    hosts = parts.netloc.rpartition("@")[2]
    found = []
    for host in hosts.split(","):
        one = urlsplit(f"//{host}")
        found.append((one.hostname or "localhost", one.port or port))
    return found


def _first_only(parts: SplitResult, scheme: str) -> SplitResult:
    """The URL as redis-py reads it: one host."""
    login, at, hosts = parts.netloc.rpartition("@")
    return parts._replace(scheme=scheme, netloc=login + at + hosts.split(",")[0])


def _client_name(node: str) -> str:
    return "ng-" + "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in node)
