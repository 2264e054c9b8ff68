"""Publishers: one entry after the other, each until its outcome is known, or given up as unknown.

A repeat after a cut carries the same `mid` and is the same publish. A refusal counts as one only if no attempt before
it was lost on the way: after that the entry may be stored all the same.
"""

import asyncio
from random import Random
from time import monotonic

from neurograph_ws_client import Closed, Disconnected, HubError, PermissionDenied, Published, RequestTimeout
from neurograph_ws_client.positions import Position

from .clients import Maker
from .history import History
from .payload import NAME, Payload, payload

# After so long an outcome is unknown. The hub remembers a mid for 300 s (M31).
GIVE_UP = 25.0

_PAUSE = 0.1

# The store was lost between sending and answer: the one error after which it may be stored (E3).
_UNKNOWN = 504


class Publisher:
    """Sends to the channels in turn, at a rate."""

    def __init__(
        self, name: str, run: str, maker: Maker, history: History, channels: tuple[str, ...], seed: int
    ) -> None:
        self.name = name
        self.failure: Exception | None = None
        self._run = run
        self._history = history
        self._channels = channels
        self._random = Random(f"{seed}/{name}")  # noqa: S311 - to be repeated
        self._client = maker.client(name, encoding=self._random.choice(("json", "msgpack")))
        self._client.on("disconnected", self._disconnected)
        self._client.on("error", lambda _: None)  # told by the call that it belongs to
        self._cuts = 0
        self._seq = 0

    async def connect(self) -> None:
        """Until it is connected for the first time."""
        await self._client.connect()

    async def publish(self, rate: float, ending: asyncio.Event) -> None:
        """So many a second until it ends; what a fault held up is not made up for.

        Raises PermissionDenied: nothing is proved where nothing may be published.
        """
        due = monotonic()
        while not ending.is_set():
            outcome = await self._publish_one(self._channels[self._seq % len(self._channels)])
            if isinstance(outcome, PermissionDenied):
                raise outcome
            due = max(due + 1 / self._paced(rate), monotonic() - 1.0)
            if (wait := due - monotonic()) > 0:
                await _wait(ending, wait)

    async def mark(self) -> bool:
        """One last entry on each channel. -> whether all were acknowledged"""
        return all([isinstance(await self._publish_one(channel), Published) for channel in self._channels])

    async def close(self) -> None:
        """Close its client."""
        await self._client.close()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _disconnected(self, _: HubError) -> None:
        self._cuts += 1

    def _paced(self, rate: float) -> float:
        """No faster than the hub lets this connection publish (L22)."""
        welcome = self._client.welcome
        allowed = welcome.limits.rates.get("publish") if welcome is not None else None
        return rate if allowed is None else min(rate, allowed[1])

    async def _publish_one(self, channel: str) -> Published | HubError | None:
        self._seq += 1
        entry = payload(self._run, self.name, self._seq, channel, self._random)
        self._history.write("pub", ch=channel, id=entry.id, pub=self.name, seq=self._seq, sum=entry.sum)
        outcome = await self._settled(channel, entry)
        if isinstance(outcome, Published):
            place = Position.parse(outcome.position)
            repeat = {"duplicate": True} if outcome.duplicate else {}
            self._history.write("ack", id=entry.id, off=place.offset, ep=place.epoch, **repeat)
        elif outcome is not None:
            self._history.write("nak", id=entry.id, code=outcome.code)
        return outcome

    async def _settled(self, channel: str, entry: Payload) -> Published | HubError | None:
        """Where it is stored, or why it is nowhere; None where nobody knows."""
        give_up = monotonic() + GIVE_UP
        is_uncertain = False
        while True:
            cuts = self._cuts
            try:
                return await self._client.publish(
                    channel, entry.data, event=NAME, key=self.name, mid=f"{self._run}-{entry.id}"
                )
            except HubError as fault:
                is_uncertain |= self._cuts != cuts or is_unknown(fault)
                if not is_uncertain and not fault.temporary:
                    return fault
                if monotonic() > give_up:
                    return None if is_uncertain else fault
                await asyncio.sleep(max(_PAUSE, fault.retry_after or 0.0))


def is_unknown(fault: HubError) -> bool:
    """Whether the entry may be stored although this came instead of its answer."""
    is_answer = 400 <= fault.code < 600 and fault.code != _UNKNOWN and not isinstance(fault, Closed)
    return isinstance(fault, Disconnected | RequestTimeout) or not is_answer


async def _wait(ending: asyncio.Event, longest: float) -> None:
    try:
        async with asyncio.timeout(longest):
            await ending.wait()
    except TimeoutError:
        return
