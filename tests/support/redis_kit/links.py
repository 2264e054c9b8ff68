"""Ways to a server that can be cut: the fault proxy of `ng-ws verify`, one for each node that is cut off alone."""

from itertools import count
from types import TracebackType
from typing import Self

from ng_ws.verify.proxy import Proxy
from ng_ws.verify.redis_process import RedisProcess
from ng_ws.verify.schedule import Fault

_NUMBERS = count(1)


class Way:
    """async with Way(redis) as way: a client of `way.url` reaches the server, until `way.cut()`."""

    def __init__(self, server: RedisProcess, seed: int = 1) -> None:
        self._proxy = Proxy("127.0.0.1", server.port, seed)
        self._fault: Fault | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where the client goes."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """Through it, at this moment."""
        return self._proxy.open

    def cut(self) -> None:
        """A partition: bytes vanish in both directions, connections stay, new ones come to nothing."""
        self.suffer("partition")

    def suffer(self, kind: str) -> None:
        """Any fault of a connection that `ng-ws verify` knows, on all of them until `heal`."""
        self.heal()
        self._fault = Fault(next(_NUMBERS), kind, 0.0, 0.0, 1.0)
        self._proxy.begin(self._fault)

    def heal(self) -> None:
        """The end of it; connections that lost bytes are reset."""
        if self._fault is not None:
            self._proxy.heal(self._fault)
            self._fault = None

    def shut(self) -> None:
        """Everybody is reset, and whoever comes."""
        self._proxy.shut()

    def lead(self, server: RedisProcess) -> None:
        """New connections go to this server; with `shut` before, all do: how a fail-over looks behind an address."""
        self._proxy.lead(server.port)

    async def __aenter__(self) -> Self:
        self.port = await self._proxy.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._proxy.stop()
