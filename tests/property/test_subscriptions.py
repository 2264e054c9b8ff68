"""Whatever is asked for while subscriptions wait, and whichever of them fail: the session knows what is served."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.errors import LogUnavailable
from hub.session import Effect, Subscribe, Unsubscribe
from tests.hub.session.support import Bench, admin, bench

CHANNELS = ["metrics", "logs", "actions"]
SOME = st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True)
ASKED = st.one_of(
    st.builds(lambda names, ack: {"type": "subscribe", "channels": names, "ack": ack}, SOME, st.integers(1, 9)),
    st.builds(lambda names: {"type": "unsubscribe", "channels": names}, SOME),
)
OUTCOMES = st.none() | st.sets(st.sampled_from(CHANNELS)).map(frozenset)
"""Which channels cannot be followed; None: the plane takes no subscription at all."""


class Serving:
    """Does one after the other what a session wants of its cursors, when it is told to."""

    def __init__(self, peer: Bench) -> None:
        self.peer = peer
        self.options: dict[str, int] = {}
        """Channel -> the `ack` that its cursor has."""
        self.waiting: deque[Effect] = deque()

    def want(self, effects: list[Effect]) -> None:
        self.waiting += [effect for effect in effects if isinstance(effect, Subscribe | Unsubscribe)]

    def do_next(self, unready: frozenset[str] | None) -> None:
        match self.waiting.popleft():
            case Unsubscribe(channels):
                for channel in channels:
                    self.options.pop(channel, None)
            case Subscribe() as effect:
                self._subscribe(effect, unready)

    def _subscribe(self, effect: Subscribe, unready: frozenset[str] | None) -> None:
        channels = [None] if unready is None else [spec.channel for spec in effect.specs if spec.channel in unready]
        if channels:
            again = self.peer.session.subscribe_failed(effect, {name: LogUnavailable("not now") for name in channels})
            self.waiting.extendleft(one for one in again if isinstance(one, Subscribe))
            return
        self.peer.session.subscribed(effect)
        for spec in effect.specs:
            assert spec.ack is not None
            self.options[spec.channel] = spec.ack


@pytest.mark.clause("M23", "M26", "M28", "R1")
@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.just("ask"), ASKED) | st.tuples(st.just("do"), OUTCOMES), max_size=30))
def test_a_session_knows_what_the_plane_serves(steps: list[tuple[str, Any]]) -> None:
    peer = bench(admin())
    serving = Serving(peer)
    for kind, step in steps:
        if kind == "ask":
            serving.want(peer.session.received(peer.encode(step), peer.moment))
        elif serving.waiting:
            serving.do_next(step)
    while serving.waiting:
        serving.do_next(frozenset())
    known = {channel: options["ack"] for channel, options in peer.session.subscriptions.items()}
    assert known == serving.options
    assert peer.session.unsettled == []
