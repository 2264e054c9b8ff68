"""The Python client's recovery against the hub's core, in memory: whatever happens, nothing is lost unsaid or repeated.

A rule-based state machine drives `tests/support/pair` and its small model: loss, delay, several connections at once (so
that across them order and repetition are arbitrary), deaths of the hub with and without its logs and its memory, deaths
of the client's process, operators, handlers that are cancelled, a journal that breaks. Every example ends by healing
everything. The client is the whole one, from `subscribe` to its effects; only its sockets and its clock are the test's.

Nightly, with more of it (pm13):  NG_RECOVERY_EXAMPLES=20000 pytest tests/property/test_recovery.py -k machine
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from channels.buckets import Rate
from channels.permissions import Role
from tests.support.pair.histories import CHANNELS
from tests.support.pair.pair import ALL, Pair

EXAMPLES = int(os.environ.get("NG_RECOVERY_EXAMPLES", "100"))
STEPS = 50

SOME = st.integers(1, 4)
ANY_CHANNEL = st.sampled_from(CHANNELS)
WINDOWS = st.none() | st.integers(1, 5)
WHICH = st.integers(0, 3)
# Requests that come too fast are refused (L23): what the client asks by itself, it asks again.
TIGHT = {"subscribe": Rate(1, 1), "unsubscribe": Rate(1, 1), "publish": Rate(4, 2), "default": Rate(3, 1)}
WHO_HEARS = st.sampled_from(["both", "client", "hub", "nobody"])


class RecoveryMachine(RuleBasedStateMachine):
    """One client and one hub, and all that may happen to them."""

    pair: Pair

    @initialize(
        windows=st.tuples(WINDOWS, WINDOWS),
        max_entries=st.sampled_from([4, 12, 1_000]),
        resume_events=st.sampled_from([3, 10, 1_000]),
        rates=st.sampled_from([None, TIGHT]),
        seed=st.integers(0, 99),
    )
    def begin(
        self,
        windows: tuple[int | None, int | None],
        max_entries: int,
        resume_events: int,
        rates: Mapping[str, Rate] | None,
        seed: int,
    ) -> None:
        self.pair = Pair(seed=seed, max_entries=max_entries, resume_events=resume_events, token_ttl=60.0, rates=rates)
        self.pair.connect()
        for channel, window in zip(CHANNELS, windows, strict=True):
            self.pair.subscribe(channel, window)
        self.pair.settle()

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            with self.pair:
                # What fails after the first failure says nothing, and would be told in its place.
                if sys.exc_info()[1] is None:
                    self.pair.heal()

    # -- the application -----------------------------------------------------------------------------------------------

    @rule(channel=ANY_CHANNEL, with_mid=st.booleans())
    def publish(self, channel: str, with_mid: bool) -> None:
        self.pair.publish(channel, with_mid=with_mid)

    @rule(channel=ANY_CHANNEL, entries=SOME)
    def publish_elsewhere(self, channel: str, entries: int) -> None:
        self.pair.publish_elsewhere(channel, entries)

    @rule(channel=ANY_CHANNEL, most=SOME)
    def handle(self, channel: str, most: int) -> None:
        self.pair.handle(channel, most)

    @rule(channel=ANY_CHANNEL, window=WINDOWS)
    def subscribe_or_not(self, channel: str, window: int | None) -> None:
        if channel in self.pair.client.streams:
            self.pair.client.unsubscribe(channel)
        elif not self.pair.is_closed:
            self.pair.subscribe(channel, window)

    @rule(channel=ANY_CHANNEL, window=WINDOWS, back=st.integers(0, 6))
    def subscribe_again(self, channel: str, window: int | None, back: int) -> None:
        if channel in self.pair.client.streams and not self.pair.is_closed:
            self.pair.subscribe_again(channel, window, back)

    @rule(channel=ANY_CHANNEL)
    def subscribe_from_store(self, channel: str) -> None:
        if channel in self.pair.client.streams and not self.pair.is_closed:
            self.pair.subscribe_from_store(channel)

    @rule(channel=ANY_CHANNEL)
    def cancel_inside(self, channel: str) -> None:
        if channel in self.pair.client.streams:
            self.pair.client.cancel_inside(channel)

    @rule()
    def break_journal(self) -> None:
        self.pair.client.journal_raises = True

    @precondition(lambda self: self.pair.client.former)
    @rule(most=SOME)
    def handle_late(self, most: int) -> None:
        self.pair.client.handle_late(most)

    @rule(channel=ANY_CHANNEL, window=st.integers(1, 5))
    def update(self, channel: str, window: int) -> None:
        if channel in self.pair.client.streams and not self.pair.is_closed:
            self.pair.client.update(channel, window)

    @rule(windows=st.tuples(st.integers(1, 5), st.integers(1, 5)))
    def update_while_away(self, windows: tuple[int, int]) -> None:
        """The next hub is told more at once than it may take."""
        self.idle(2.0)
        self.pair.cut()
        self.pair.hear_of_cuts()
        for channel, window in zip(CHANNELS, windows, strict=True):
            self.update(channel, window)

    @rule(channel=ANY_CHANNEL, entries=SOME, most=SOME)
    def traffic(self, channel: str, entries: int, most: int) -> None:
        """A stretch without a fault."""
        self.idle(1.0)
        self.pair.publish(channel)
        self.pair.publish_elsewhere(channel, entries)
        self.pair.settle()
        self.pair.handle(channel, most)

    # -- what is on the way --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.pair.client.opening)
    @rule(well=st.booleans())
    def answer(self, well: bool) -> None:
        self.pair.answer(well=well)

    @precondition(lambda self: any(link.up for link in self.pair.links))
    @rule(which=WHICH, most=SOME)
    def deliver_up(self, which: int, most: int) -> None:
        waiting = [link for link in self.pair.links if link.up]
        waiting[which % len(waiting)].deliver_up(most)
        self.pair.check()

    @precondition(lambda self: any(link.down for link in self.pair.links))
    @rule(which=WHICH, most=SOME)
    def deliver_down(self, which: int, most: int) -> None:
        waiting = [link for link in self.pair.links if link.down]
        waiting[which % len(waiting)].deliver_down(most)
        self.pair.check()

    @rule()
    def settle(self) -> None:
        self.pair.settle()
        if self.pair.is_closed:
            self.pair.restart_client()

    # -- time ----------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 1.0, 6.0]))
    def wait(self, seconds: float) -> None:
        self.pair.wait(seconds)
        self.pair.check()

    @rule(seconds=st.sampled_from([2.0, 45.0]))
    def idle(self, seconds: float) -> None:
        self.pair.idle(seconds)
        if self.pair.is_closed:
            self.pair.restart_client()

    # -- faults --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.pair.links)
    @rule(which=WHICH, who=WHO_HEARS)
    def cut(self, which: int, who: str) -> None:
        self.pair.cut(self.pair.links[which % len(self.pair.links)])
        self.hear_of_cuts(who)

    @rule(asked=SOME, back=st.integers(0, 6))
    def lose_answers(self, asked: int, back: int) -> None:
        """All that was asked arrives, and only the beginning of what is said to it."""
        self.idle(2.0)
        for number in range(asked):
            self.pair.publish(CHANNELS[number % len(CHANNELS)], with_mid=number % 2 == 0)
        for link in list(self.pair.links):
            link.deliver_up(ALL)
            link.deliver_down(back)
        self.pair.cut()
        self.pair.hear_of_cuts()
        self.pair.wait(1.0)
        self.pair.check()

    @rule(channel=ANY_CHANNEL, window=WINDOWS, back=st.integers(1, 6))
    def subscribe_again_amid_a_resume(self, channel: str, window: int | None, back: int) -> None:
        """The hub is about to restore the subscription that has just ended."""
        self.idle(2.0)
        self.pair.cut()
        self.pair.hear_of_cuts()
        self.pair.wait(1.0)
        if self.pair.client.opening:
            self.pair.answer()
        for link in self.pair.links:
            link.deliver_down(1)
        self.subscribe_again(channel, window, back)
        self.settle()

    @precondition(lambda self: any(link.is_cut for link in self.pair.links))
    @rule(who=WHO_HEARS)
    def hear_of_cuts(self, who: str) -> None:
        self.pair.hear_of_cuts(client=who in {"client", "both"}, hub=who in {"hub", "both"})

    @rule(is_slow=st.booleans())
    def be_slow(self, is_slow: bool) -> None:
        self.pair.be_slow(is_slow=is_slow)

    @rule(channel=ANY_CHANNEL, window=WINDOWS)
    def wait_in_vain(self, channel: str, window: int | None) -> None:
        self.idle(2.0)
        self.subscribe_again(channel, window, 0)
        self.pair.wait_in_vain()

    @precondition(lambda self: self.pair.waits)
    @rule(well=st.booleans())
    def end_wait(self, well: bool) -> None:
        self.pair.end_wait(well=well)

    @rule(keep_logs=st.booleans(), keep_memory=st.booleans(), down_for=st.sampled_from([0.0, 1.0, 45.0]))
    def restart_hub(self, keep_logs: bool, keep_memory: bool, down_for: float) -> None:
        self.pair.kill_hub()
        self.pair.wait(down_for)
        self.pair.start_hub(keep_logs=keep_logs, keep_memory=keep_memory)

    @rule(with_token=st.booleans(), with_positions=st.sampled_from([True, True, False]))
    def restart_client(self, with_token: bool, with_positions: bool) -> None:
        self.pair.restart_client(with_token=with_token, with_positions=with_positions)

    @rule(with_token=st.booleans(), subscribes_after=st.sampled_from([None, 0.0, 2.0, 45.0]))
    def restart_client_from_store(self, with_token: bool, subscribes_after: float | None) -> None:
        """The new process is given the positions of the former one, and may subscribe after its resume."""
        self.pair.restart_client(with_token=with_token, is_from_store=True, subscribes_after=subscribes_after)

    # -- operators -----------------------------------------------------------------------------------------------------

    @rule(
        channel=ANY_CHANNEL,
        most=st.tuples(st.integers(0, 6), st.integers(0, 6)),
        is_new_first=st.booleans(),
        is_new_lost=st.booleans(),
    )
    def switch(self, channel: str, most: tuple[int, int], is_new_first: bool, is_new_lost: bool) -> None:
        """Two connections bring the same channels, each as far as it comes (M51)."""
        self.idle(2.0)
        self.pair.leave()
        self.pair.settle()
        self.pair.wait(3.0)
        while self.pair.client.opening:
            self.pair.answer()
        for link in self.pair.links:
            link.deliver_down(1)
            link.deliver_up(ALL)
        self.pair.publish_elsewhere(channel, 3)
        links = reversed(self.pair.links) if is_new_first else self.pair.links
        for link, some in zip(list(links), most, strict=False):
            link.deliver_down(some)
        if is_new_lost and self.pair.links:
            self.pair.cut(self.pair.links[-1])
            self.pair.links[-1].client_hears()
        self.pair.check()

    @rule(slug=st.sampled_from(["rebalance", "rebalance", "draining"]))
    def leave(self, slug: str) -> None:
        self.pair.leave(slug)

    @rule(role=st.sampled_from([Role.VIEWER, Role.DEVELOPER, Role.ADMIN, None]))
    def change_role_or_kick(self, role: Role | None) -> None:
        if role is None:
            self.pair.kick()
        else:
            self.pair.change_role(role)


def run_machine(examples: int, **more: Any) -> None:
    run_state_machine_as_test(
        RecoveryMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **more,
        ),
    )


@pytest.mark.clause("I1", "I2", "I3", "I4", "I5", "I6", "P3", "P4", "P6", "P7", "R8", "R10", "R11", "R13", "S10", "M51")
@pytest.mark.timeout(0)
def test_the_machine_finds_nothing() -> None:
    """Nothing is handled twice, lost unsaid or told as lost without need, each answer holds, and all comes in order."""
    run_machine(EXAMPLES)
