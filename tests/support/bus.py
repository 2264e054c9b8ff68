"""The bus between hubs of one process: `Wire` joins them, one `WireBus` each, with switches for what may go wrong."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from channels.backplane.attendance import Attendance
from channels.backplane.bus import Heard, News, Tell, Told
from channels.errors import LogUnavailable


class Wire:
    """What all buses share: who is there, what is kept, what is counted together."""

    def __init__(self) -> None:
        self.buses: dict[str, WireBus] = {}
        self.claims: Counter[str] = Counter()
        self.attendance = Attendance()
        self.delay: Callable[[], float] | None = None
        """Seconds for the next message, or claim; None: the next turn of the loop."""

    def bus(self, node: str) -> "WireBus":
        """A node comes, perhaps in another life."""
        self.buses[node] = WireBus(self, node)
        return self.buses[node]

    def here(self, channel: str, subject: str) -> set[str]:
        """On which nodes `subject` is present."""
        return self.attendance.nodes(channel, subject)

    def kill(self, node: str) -> None:
        """`node` says no more word; exactly one of the others is told."""
        del self.buses[node]
        for told in self._first().silent:
            told(node)

    def end(self, node: str) -> None:
        """`node` has stopped in order, ten seconds ago."""
        del self.buses[node]
        for told in self._first().ended:
            told(node)

    def _first(self) -> "WireBus":
        return min((bus for bus in self.buses.values() if not bus.is_cut), key=lambda bus: bus.node)

    async def pause(self) -> None:
        await asyncio.sleep(0 if self.delay is None else self.delay())


class WireBus:
    """`Bus` of one node. `is_cut`: it hears nothing and is not heard; `is_deaf`: what is not kept is lost on it."""

    def __init__(self, wire: Wire, node: str) -> None:
        self.node = node
        self.is_cut = False
        self.is_deaf = False
        self.is_contested = False
        self.silent: list[Callable[[str], None]] = []
        self.ended: list[Callable[[str], None]] = []
        self.returned: Callable[[], None] = lambda: None
        self.missed: Callable[[], None] = lambda: None
        self.messages: list[tuple[str, Mapping[str, Any]]] = []
        """Everything that this node has told."""
        self._wire = wire
        self._listeners: dict[str, Heard] = {}
        self._kept: list[tuple[str, str, Mapping[str, Any]]] = []
        """For when it is back."""
        self._unsent: list[tuple[str, Mapping[str, Any]]] = []

    def tell(self, kind: str, body: Mapping[str, Any], *, keep: bool = False) -> None:
        self.messages.append((kind, body))
        if not self.is_cut:
            self._send(kind, body, keep=keep)
        elif keep:
            self._unsent.append((kind, body))

    def listen(self, kind: str, heard: Heard) -> None:
        assert kind not in self._listeners
        self._listeners[kind] = heard

    def nodes(self) -> Mapping[str, float]:
        if self.is_cut:
            return {}
        return {name: 0.0 for name, bus in self._wire.buses.items() if name != self.node and not bus.is_cut}

    def on_silent(self, told: Callable[[str], None]) -> None:
        self.silent.append(told)

    async def others(self) -> Sequence[str]:
        await self._there()
        return list(self.nodes())

    def on_ended(self, told: Callable[[str], None]) -> None:
        self.ended.append(told)

    def on_returned(self, told: Callable[[], None]) -> None:
        self.returned = told

    def on_missed(self, told: Callable[[], None]) -> None:
        self.missed = told

    async def claim(self, session: str) -> int:
        await self._there()
        self._wire.claims[session] += 1
        number = self._wire.claims[session]
        await self._wire.pause()
        return number

    async def present(self, channel: str, subjects: Mapping[str, float | None], epoch: str = "") -> Sequence[News]:
        await self._there()
        return self._wire.attendance.present(self.node, channel, subjects, epoch)

    async def told(self, channel: str, told: Sequence[Told]) -> None:
        await self._there()
        self._wire.attendance.told(channel, told)

    async def vacate(self, channel: str) -> None:
        await self._there()

    async def former(self) -> Sequence[tuple[str, str]]:
        await self._there()
        return self._wire.attendance.of(self.node)

    async def bury(self, node: str, tell: Tell) -> None:
        await self._there()
        for channel, news in self._wire.attendance.strike(node):
            await tell(channel, news)

    # --- for tests ----------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """It is back: it hears what was kept, and is heard."""
        self.is_cut = False
        kept, self._kept = self._kept, []
        for node, kind, body in kept:
            self.hear(node, kind, body)
        unsent, self._unsent = self._unsent, []
        for kind, body in unsent:
            self._send(kind, body, keep=True)

    def hear(self, node: str, kind: str, body: Mapping[str, Any]) -> None:
        heard = self._listeners.get(kind)
        if heard is not None:
            heard(node, body)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _send(self, kind: str, body: Mapping[str, Any], *, keep: bool) -> None:
        loop = asyncio.get_running_loop()
        for name, bus in self._wire.buses.items():
            if name == self.node:
                continue
            if self._wire.delay is None:
                loop.call_soon(bus._arrive, self.node, kind, deepcopy(dict(body)), keep)
            else:
                loop.call_later(self._wire.delay(), bus._arrive, self.node, kind, deepcopy(dict(body)), keep)

    def _arrive(self, node: str, kind: str, body: Mapping[str, Any], keep: bool) -> None:
        if self.is_cut:
            if keep:
                self._kept.append((node, kind, body))
        elif keep or not self.is_deaf:
            self.hear(node, kind, body)

    async def _there(self) -> None:
        await self._wire.pause()
        if self.is_cut:
            raise LogUnavailable("the bus is away")
