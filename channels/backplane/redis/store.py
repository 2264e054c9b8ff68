"""Redis as this backplane uses it: commands that find their server, whichever kind of deployment it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection

from channels.backplane.redis.connection import Address, Dialer
from channels.backplane.redis.errors import MissingScriptError
from channels.backplane.redis.figures import RedisFigures, Reported
from channels.backplane.redis.keys import Keys
from channels.backplane.redis.link import Link, Opened
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.scripts import Script

Place = Address | None
"""A server: None where there is only one."""


class Store(Protocol):
    """What the parts of the backplane ask of Redis. `key` says where a command goes; any key of the channel will do."""

    keys: Keys
    publish: str
    """The command that brings a segment to the nodes: PUBLISH, or SPUBLISH where slots are spread over servers."""

    @property
    def places(self) -> Sequence[Place]:
        """The servers to listen to."""

    def place_of(self, key: str) -> Place:
        """The server that has this key, or this channel of sharded pub/sub."""

    async def dial(self, place: Place) -> AbstractConnection:
        """A connection that listens; raises `NotSentError`."""

    @property
    def state(self) -> Mapping[str, Reported]:
        """For operators."""

    def start(self) -> None:
        """Connect, and stay connected."""

    async def stop(self) -> None:
        """Close."""

    @property
    def failure(self) -> str | None:
        """Why commands are not answered; None: they are."""

    async def wait_up(self, key: str, until: float) -> bool:
        """Wait until the server of `key` answers, at most until then (clock of the loop). -> whether it does"""

    async def call(self, name: str, key: str, *command: Any) -> Any:
        """The reply to a command; raises `StoreError`."""

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """The reply of a script; raises `StoreError`."""

    def replid(self, key: str) -> str:
        """What scripts are told of the replication id (N6): nothing where they may ask themselves."""

    async def read_replid(self, key: str) -> str:
        """What the server of `key` says now, where scripts cannot ask; raises `StoreError`."""

    def reconnect(self, key: str, reason: str) -> None:
        """Leave the connection to the server of `key`, and find its master anew."""

    def leave(self, key: str, replid: str) -> None:
        """`reconnect`, if the connection to the server of `key` leads to the master of that id, as it says itself."""

    def hurry(self, place: Place) -> None:
        """The server is there: whoever waits before the next attempt need not."""

    def look_again(self) -> None:
        """A server has refused what it should have taken: perhaps another has it now."""


class SingleStore:
    """One Redis, or the master that Sentinel names. `opened` as of `Link`."""

    def __init__(self, options: RedisOptions, figures: RedisFigures, opened: Callable[[Opened], None]) -> None:
        self.keys = Keys(options.prefix)
        self.publish = "PUBLISH"
        self.dialer = Dialer(options)
        self._asks_itself = options.info_in_scripts
        self.link = Link(self.dialer.dial, options, figures, opened)

    def __repr__(self) -> str:
        return f"<SingleStore {self.dialer.place}, {self.link!r}>"

    def start(self) -> None:
        """See `Store`."""
        self.link.start()

    async def stop(self) -> None:
        """See `Store`."""
        await self.link.stop()

    @property
    def places(self) -> Sequence[Place]:
        """See `Store`."""
        return (None,)

    def place_of(self, key: str) -> Place:
        """See `Store`."""
        return None

    async def dial(self, place: Place) -> AbstractConnection:
        """See `Store`."""
        return await self.dialer.dial(listens=True)

    @property
    def state(self) -> Mapping[str, Reported]:
        """See `Store`."""
        return {"breaker": self.link.breaker.state, "breaker_opened": self.link.breaker.opened}

    @property
    def failure(self) -> str | None:
        """See `Store`."""
        return self.link.failure

    async def wait_up(self, key: str, until: float) -> bool:
        """See `Store`."""
        return await self.link.wait_up(until)

    async def call(self, name: str, key: str, *command: Any) -> Any:
        """See `Store`."""
        return await self.link.call(name, *command)

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """See `Store`. A script that Redis has forgotten is loaded, once."""
        return await run_on(self.link, script, keys, arguments)

    def replid(self, key: str) -> str:
        """See `Store`."""
        return "" if self._asks_itself else self.link.replid

    async def read_replid(self, key: str) -> str:
        """See `Store`."""
        return await self.link.read_replid()

    def reconnect(self, key: str, reason: str) -> None:
        """See `Store`."""
        self.link.reconnect(reason)

    def leave(self, key: str, replid: str) -> None:
        """See `Store`."""
        self.link.leave(replid)

    def hurry(self, place: Place) -> None:
        """See `Store`."""
        self.link.hurry()

    def look_again(self) -> None:
        """See `Store`: there is no other."""


async def run_on(
    link: Link, script: Script, keys: Sequence[str], arguments: Sequence[Any], *, asks: bool = False
) -> Any:
    """Run a script through one link; raises `StoreError`. One that Redis has forgotten is loaded, once."""
    command = (script.sha, len(keys), *keys, *arguments)
    try:
        return await link.call(script.name, "EVALSHA", *command, asks=asks)
    except MissingScriptError:
        await link.call("load", "SCRIPT", "LOAD", script.text)
        return await link.call(script.name, "EVALSHA", *command, asks=asks)
