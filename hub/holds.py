"""What a connection waits for, its subscription's logs or a look into a payload, and what waits behind it (N18)."""

from collections.abc import Iterable, Iterator

from hub.session import effects
from hub.session.effects import Effect

_WAIT = (
    effects.Subscribe,
    effects.Refilter,
    effects.Unsubscribe,
    effects.Publish,
    effects.Emit,
    effects.Locate,
    effects.Watermark,
    effects.TakeOver,
    effects.Release,
)
"""What is done in the order of the messages. Time, limits, presence, acknowledgements and ends wait for nothing."""


class Hold:
    """One connection has at most one; it ends when its effect can be done or refused, or with the connection."""

    __slots__ = ("effect", "waiting")

    def __init__(self, effect: effects.Subscribe | effects.Publish) -> None:
        self.effect = effect
        self.waiting: list[Effect] = []

    def keep(self, wanted: Iterable[Effect]) -> Iterator[Effect]:
        """Of `wanted`, what need not wait; the rest is kept."""
        for effect in wanted:
            if isinstance(effect, _WAIT) or (isinstance(effect, effects.Send) and effect.waits):
                self.waiting.append(effect)
            else:
                yield effect
