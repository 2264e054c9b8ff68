"""Before a subscription is answered the log must be as new as its store (N12, N18): asks the backplane, and waits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from channels.errors import BrokerError
from channels.publication import Position
from channels.subscription import SubscribeSpec

if TYPE_CHECKING:
    from channels.backplane import Backplane

Errors = Mapping[str | None, BrokerError]
"""By channel: why it cannot be followed now. Of None: of no channel alone."""


class CatchUp:
    """Who waits for which channels."""

    def __init__(self, backplane: "Backplane") -> None:
        self._backplane = backplane
        self._awaited: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._awaited.total()

    def is_awaited(self, channel: str) -> bool:
        """Whether somebody waits for `channel`, whose log must not be closed then."""
        return channel in self._awaited

    def ask(self, specs: Sequence[SubscribeSpec], done: Callable[[Errors], None]) -> Errors | None:
        """Whether the logs of `specs` are new enough now: what stands against it; None: `done` hears that later."""
        wait = _Wait(self, done, [spec.channel for spec in specs])
        for spec in specs:
            for wanted, is_proof in _questions(spec):
                wait.left += 1
                heard = partial(wait.heard, spec.channel)
                if self._backplane.follow(spec.channel, wanted, heard, is_proof=is_proof):
                    wait.left -= 1
        return wait.begin()

    async def wait(self, channel: str) -> None:
        """Until the log of `channel` is as new as its store; raises `BrokerError`."""
        answer: asyncio.Future[Errors] = asyncio.get_running_loop().create_future()
        errors = self.ask(
            [SubscribeSpec(channel, "all", "gap")],
            lambda found: None if answer.done() else answer.set_result(found),
        )
        for error in (await answer if errors is None else errors).values():
            raise error

    def begun(self, channels: Sequence[str]) -> None:
        """Their logs are awaited once more."""
        self._awaited.update(channels)

    def ended(self, channels: Sequence[str]) -> None:
        """Once less."""
        self._awaited.subtract(channels)
        for channel in channels:
            if not self._awaited[channel]:
                del self._awaited[channel]


class _Wait:
    """One subscription that waits; `left`: answers that are to come."""

    __slots__ = ("_book", "_channels", "_done", "_errors", "_is_begun", "left")

    def __init__(self, book: CatchUp, done: Callable[[Errors], None], channels: Sequence[str]) -> None:
        self.left = 0
        self._book = book
        self._done = done
        self._channels = channels
        self._errors: dict[str | None, BrokerError] = {}
        self._is_begun = False

    def heard(self, channel: str, error: BrokerError | None) -> None:
        """One answer; it may come before the question has returned."""
        if error is not None:
            error.channel = error.channel or channel
            self._errors.setdefault(channel, error)
        self.left -= 1
        if self._is_begun and self.left == 0:
            self._book.ended(self._channels)
            self._done(self._errors)

    def begin(self) -> Errors | None:
        """Everything was asked."""
        if self.left == 0:
            return self._errors
        self._is_begun = True
        self._book.begun(self._channels)
        return None


def _questions(spec: SubscribeSpec) -> Iterator[tuple[Position | None, bool]]:
    """The positions that the log must hold, each with whether this hub has told it (N4)."""
    match spec.start:
        case ("at", str(epoch), int(offset)):
            wanted: Position | None = Position(epoch, offset)
        case _:
            wanted = None
    if spec.proof is not None:
        yield spec.proof, True
    if spec.proof is None or wanted != spec.proof:
        yield wanted, False
