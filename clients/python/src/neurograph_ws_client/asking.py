"""Asking the hub for channels, and acting on its answers: between `Follows` (what is wanted) and `Requests`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .effects import Effect, Reject, Resolve
from .errors import HubError
from .follows import Follow, Follows, subscribes
from .requests import Request, Requests


class Asked:
    """The ticket of one subscribe: equal to itself alone."""

    __slots__ = ("follows",)

    def __init__(self, follows: Sequence[Follow]) -> None:
        self.follows = follows


class Asking:
    """Subscribes that await their answer; `is_settled` when there is none left."""

    def __init__(self, follows: Follows, requests: Requests, draw: Callable[[], float], timeout: float) -> None:
        self._follows = follows
        self._requests = requests
        self._draw = draw
        self._timeout = timeout
        self._open: set[Asked] = set()

    @property
    def is_settled(self) -> bool:
        """Whether every channel asked for has its answer."""
        return not self._open

    def forget(self) -> None:
        """The connection is gone, and the questions with it."""
        self._open.clear()

    def ask(self, now: float) -> list[Effect]:
        """Subscribe to what is wanted and due, equal options in one message."""
        effects: list[Effect] = []
        for message, group in subscribes(self._follows.due(now)):
            asked = Asked(group)
            self._open.add(asked)
            for follow in group:
                follow.is_asked, follow.retry_at = True, None
            effects += self._requests.submit(Request(message, asked, now + self._timeout), now)
        return effects

    def settle(self, effect: Resolve | Reject, now: float) -> list[Effect]:
        """Act on the answer to a subscribe."""
        asked = effect.ticket
        if not isinstance(asked, Asked):
            raise TypeError(f"expected the ticket of a subscribe, got {asked!r}")
        self._open.discard(asked)
        wanted = [follow for follow in asked.follows if self._follows.is_wanted(follow)]
        if isinstance(effect, Reject):
            return self._refused(wanted, effect.error, now)
        return self._answered(wanted, effect.answer, now)

    def _refused(self, follows: Sequence[Follow], error: HubError, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for follow in follows:
            own = error.by_channel.get(follow.channel, error)
            effects += self._follows.failed(follow, own, now, self._draw())
        return effects

    def _answered(self, follows: Sequence[Follow], answer: Mapping[str, Any], now: float) -> list[Effect]:
        told, errors = answer.get("channels") or {}, answer.get("errors") or {}
        effects: list[Effect] = []
        for follow in follows:
            if follow.channel in told:
                effects += self._follows.subscribed(follow, told[follow.channel])
            else:
                error = errors.get(follow.channel, {"code": 500, "message": f"no answer about {follow.channel}"})
                effects += self._follows.refused(follow, error, now, self._draw())
        return effects
