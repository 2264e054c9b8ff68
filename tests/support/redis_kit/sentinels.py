"""Three sentinels over a pair: they find that the master is gone, and promote the replica by themselves."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from .pair import Pair
from .servers import Server, until

NAME = "ng"

# What a sentinel is told at its start; it writes what it learns into the same file.
_TEXT = """port {port}
bind 127.0.0.1
dir {directory}
sentinel monitor {name} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {name} 500
sentinel failover-timeout {name} 3000
sentinel parallel-syncs {name} 1
"""


class Sentinel(Server):
    """`redis-sentinel` is a link to redis-server; this is what the link does."""

    def __init__(self, master: int) -> None:
        super().__init__()
        self._file = self.directory / "sentinel.conf"
        text = _TEXT.format(port=self.port, directory=self.directory, name=NAME, master=master)
        self._file.write_text(text, encoding="utf-8")

    @property
    def command(self) -> list[str]:
        return [self._binary, str(self._file), "--sentinel"]


class Sentinels:
    """Three of them over `pair`. `addresses` is what a client of sentinels is given, with the name `NAME`."""

    def __init__(self) -> None:
        self.pair = Pair()
        self.trio: list[Sentinel] = []
        self._stack = AsyncExitStack()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each."""
        return [("127.0.0.1", sentinel.port) for sentinel in self.trio]

    async def known(self) -> list[dict[str, str]]:
        """What each of them knows of the master."""
        told = [await sentinel.ask("SENTINEL", "MASTER", NAME) for sentinel in self.trio]
        lists = [[word.decode() for word in words] for words in told if isinstance(words, list)]
        return [dict(zip(words[::2], words[1::2], strict=True)) for words in lists]

    async def agreed(self) -> None:
        """Until each knows the two others and the replica."""

        async def is_so() -> bool:
            return all(
                (facts["num-other-sentinels"], facts["num-slaves"]) == ("2", "1") for facts in await self.known()
            )

        await until(is_so, "three sentinels that know each other")

    async def fail_over(self) -> int:
        """kill -9 of the master, and wait until each of them has another that is well. -> its port"""
        former = str(self.pair.master.port)
        await self.pair.master.kill()

        async def is_another() -> bool:
            return all(facts["port"] != former and facts["flags"] == "master" for facts in await self.known())

        await until(is_another, "another master by sentinels")
        self.pair.master, self.pair.replica = self.pair.replica, self.pair.master

        async def is_master() -> bool:
            return (await self.pair.master.replication())["role"] == "master"

        await until(is_master, "a promoted replica")
        return self.pair.master.port

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.pair)
            for _ in range(3):
                self.trio.append(await stack.enter_async_context(Sentinel(self.pair.master.port)))
            await self.agreed()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
