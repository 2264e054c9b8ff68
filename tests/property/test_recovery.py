"""The Python client's recovery against the hub's core, in memory: whatever happens, nothing is lost unsaid or repeated.

A rule-based state machine drives `tests/support/pair` and its small model: loss, delay, several connections at once (so
that across them order and repetition are arbitrary), deaths of the hub with and without its logs and its memory, deaths
of the client's process, operators. Every example ends by healing everything.

Nightly, with more of it (pm13):  NG_RECOVERY_EXAMPLES=20000 pytest tests/property/test_recovery.py -k machine
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from neurograph_ws_client import Event, Gap, State
from neurograph_ws_client.effects import Resolve

from channels.permissions import Role
from tests.support.pair.histories import CHANNELS
from tests.support.pair.link import Link
from tests.support.pair.pair import ALL, Pair

EXAMPLES = int(os.environ.get("NG_RECOVERY_EXAMPLES", "100"))
STEPS = 50

SOME = st.integers(1, 4)
ANY_CHANNEL = st.sampled_from(CHANNELS)
WINDOWS = st.none() | st.integers(1, 5)
WHICH = st.integers(0, 3)
WHO_HEARS = st.sampled_from(["both", "client", "hub", "nobody"])


class RecoveryMachine(RuleBasedStateMachine):
    """One client and one hub, and all that may happen to them."""

    pair: Pair

    @initialize(
        windows=st.tuples(WINDOWS, WINDOWS),
        max_entries=st.sampled_from([4, 12, 1_000]),
        resume_events=st.sampled_from([3, 10, 1_000]),
        seed=st.integers(0, 99),
    )
    def begin(self, windows: tuple[int | None, int | None], max_entries: int, resume_events: int, seed: int) -> None:
        self.pair = Pair(seed=seed, max_entries=max_entries, resume_events=resume_events, token_ttl=60.0)
        self.pair.connect()
        for channel, window in zip(CHANNELS, windows, strict=True):
            self.pair.subscribe(channel, window)
        self.pair.settle()

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            with self.pair:
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

    @precondition(lambda self: self.pair.client.former)
    @rule(most=SOME)
    def handle_late(self, most: int) -> None:
        self.pair.client.handle_late(most)

    @rule(channel=ANY_CHANNEL, window=st.integers(1, 5))
    def update(self, channel: str, window: int) -> None:
        if channel in self.pair.client.streams and not self.pair.is_closed:
            self.pair.client.update(channel, window)

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

    @rule(keep_logs=st.booleans(), keep_memory=st.booleans(), down_for=st.sampled_from([0.0, 1.0, 45.0]))
    def restart_hub(self, keep_logs: bool, keep_memory: bool, down_for: float) -> None:
        self.pair.kill_hub()
        self.pair.wait(down_for)
        self.pair.start_hub(keep_logs=keep_logs, keep_memory=keep_memory)

    @rule(with_token=st.booleans(), with_positions=st.sampled_from([True, True, False]))
    def restart_client(self, with_token: bool, with_positions: bool) -> None:
        self.pair.restart_client(with_token=with_token, with_positions=with_positions)

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


# -- written out -------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both channels followed, as the newest token says too (R4), and three entries of `logs` handled."""
    with Pair() as pair:
        pair.connect()
        for channel in CHANNELS:
            pair.subscribe(channel)
        pair.idle(2)
        pair.publish_elsewhere("logs", 3)
        pair.settle()
        pair.handle()
        yield pair


def offsets(pair: Pair, channel: str = "logs") -> list[Any]:
    """What waits for the application: offsets of events, positions of gaps."""
    return [item.offset if isinstance(item, Event) else str(item.to) for item in pair.client.queues[channel]]


def resumed(pair: Pair) -> Link:
    """The connection is cut, both ends know it, and the next one has said its resume."""
    pair.cut()
    pair.hear_of_cuts()
    pair.wait(1)
    pair.answer()
    (link,) = [one for one in pair.links if one.is_whole]
    link.deliver_down(1)
    link.deliver_up(1)
    return link


@pytest.mark.clause("M51", "R7")
def test_what_one_connection_refused_for_good_another_does_not_ask_for_again() -> None:
    """A viewer may not follow `logs`; the old connection, drained meanwhile, puts it off with a 503."""
    with Pair(seed=0, max_entries=4, resume_events=3, token_ttl=60.0) as pair:
        pair.connect()
        for channel in CHANNELS:
            pair.subscribe(channel)
        pair.settle()
        pair.change_role(Role.VIEWER)
        pair.leave("rebalance")
        pair.settle()
        pair.kill_hub()
        pair.start_hub(keep_logs=False, keep_memory=False)
        pair.subscribe_again("logs", None, 0)
        pair.idle(45.0)
        assert pair.client.session.follows["logs"].retry_at is None
        pair.heal()


@pytest.mark.clause("R10", "R11", "R8")
def test_a_welcome_that_is_lost_burns_no_token(pair: Pair) -> None:
    lost = resumed(pair)
    pair.publish_elsewhere("logs", 2)
    pair.cut(lost)
    pair.hear_of_cuts(hub=False)
    pair.wait(2)
    pair.settle()
    assert offsets(pair) == [4, 5]
    assert pair.client.errors == []
    assert (lost.is_hub_over, len(pair.links)) == (True, 1)
    pair.heal()


@pytest.mark.clause("R8", "R16", "P3", "P6")
def test_a_cut_in_the_middle_of_a_replay_repeats_nothing(pair: Pair) -> None:
    pair.publish_elsewhere("logs", 5)
    link = resumed(pair)
    while offsets(pair) != [4, 5, 6]:
        assert link.deliver_down(1)
    pair.handle("logs", 2)
    resumed(pair)
    pair.settle()
    assert offsets(pair) == [6, 7, 8]
    pair.heal()


@pytest.mark.clause("M51", "P4", "P6", "R11", "M50")
def test_two_connections_bring_each_entry_once_whichever_is_ahead(pair: Pair) -> None:
    old = pair.links[0]
    pair.leave()
    old.deliver_down(ALL)
    pair.wait(3)
    pair.answer()
    new = pair.links[-1]
    new.deliver_down(1)
    pair.publish_elsewhere("logs", 2)
    old.deliver_down(1)
    new.deliver_up(1)
    new.deliver_down(ALL)
    pair.publish_elsewhere("logs", 1)
    old.deliver_down(ALL)
    pair.settle()
    assert offsets(pair) == [4, 5, 6]
    assert (pair.client.session.switches, pair.client.session.reconnects) == (1, 0)
    assert pair.client.session.stream.duplicates > 0
    pair.heal()


@pytest.mark.clause("R3", "R8", "M26")
def test_a_subscription_that_begins_amid_a_resume_starts_where_it_wants(pair: Pair) -> None:
    pair.cut()
    pair.hear_of_cuts()
    pair.wait(1)
    pair.answer()
    (link,) = [one for one in pair.links if one.is_whole]
    link.deliver_down(1)
    pair.subscribe_again("logs", None, back=2)
    pair.settle()
    assert offsets(pair) == [2, 3]
    pair.heal()


@pytest.mark.clause("M26", "M9", "P6")
def test_what_two_connections_still_bring_of_a_former_subscription_reaches_no_handler(pair: Pair) -> None:
    old = pair.links[0]
    pair.leave()
    old.deliver_down(ALL)
    pair.wait(3)
    pair.answer()
    new = pair.links[-1]
    new.deliver_down(1)
    pair.publish_elsewhere("logs", 2)
    new.deliver_up(1)
    pair.client.update("logs", 5)
    pair.publish_elsewhere("logs", 2)
    pair.subscribe_again("logs", None, back=2)
    brought = [sum(isinstance(one, dict) and one["type"] == "event" for one in link.down) for link in (old, new)]
    assert brought == [2, 4]
    old.deliver_down(ALL)
    new.deliver_down(ALL)
    assert offsets(pair) == []
    pair.settle()
    assert offsets(pair) == [2, 3, 4, 5, 6, 7]
    pair.heal()


@pytest.mark.clause("R11", "M51", "X1")
def test_a_takeover_by_a_resume_of_ours_that_was_lost_ends_nothing(pair: Pair) -> None:
    (old,) = pair.links
    pair.leave()
    old.deliver_down(ALL)
    pair.wait(3)
    pair.answer()
    new = pair.links[-1]
    new.deliver_down(1)
    new.deliver_up(ALL)
    new.cut()
    new.client_hears()
    pair.publish_elsewhere("logs", 2)
    old.deliver_down(ALL)
    assert old.is_client_over
    pair.idle(3)
    assert (pair.client.is_connected, offsets(pair)) == (True, [4, 5])
    pair.heal()


@pytest.mark.clause("R11", "X1")
def test_a_takeover_by_another_process_ends_this_one(pair: Pair) -> None:
    first = pair.client
    pair.restart_client()
    for link in first.links.values():
        link.is_client_over, link.cut_at = False, None
    pair.settle()
    assert first.session.state is State.CLOSED
    assert pair.client.is_connected


@pytest.mark.clause("R11", "S10", "M51")
def test_an_acknowledgement_that_is_due_between_two_connections_waits_for_the_second() -> None:
    with Pair() as pair:
        pair.connect()
        pair.subscribe("logs", 4)
        pair.idle(2)
        pair.publish_elsewhere("logs", 1)
        pair.settle()
        (old,) = pair.links
        pair.leave()
        old.deliver_down(ALL)
        pair.wait(3)
        pair.answer()
        new = pair.links[-1]
        new.deliver_down(1)
        new.deliver_up(1)
        old.deliver_down(ALL)
        assert old.is_client_over
        pair.handle()
        pair.wait(2)
        assert not new.up
        pair.settle()
        pair.wait(1)
        assert b'"ack"' in b"".join(frame for frame in new.up if isinstance(frame, bytes))
        pair.heal()


@pytest.mark.clause("R2", "R8", "N17")
def test_a_hub_that_kept_its_logs_goes_on_where_the_client_stands(pair: Pair) -> None:
    pair.kill_hub()
    pair.hear_of_cuts()
    pair.start_hub()
    pair.publish_elsewhere("logs", 2)
    pair.heal()
    logs = pair.client.streams["logs"]
    assert (logs.handled, logs.gaps, pair.client.errors) == (5, 0, [])


@pytest.mark.clause("P10", "P12", "M48")
def test_a_hub_without_its_logs_says_so_once(pair: Pair) -> None:
    pair.kill_hub()
    pair.hear_of_cuts()
    pair.start_hub(keep_logs=False)
    pair.publish_elsewhere("logs", 2)
    pair.heal()
    logs = pair.client.streams["logs"]
    assert (logs.handled, logs.gaps) == (5, 1)


@pytest.mark.clause("P7", "P12", "R8", "I4")
def test_what_is_handled_may_lie_epochs_behind_what_was_received(pair: Pair) -> None:
    for keep_logs in (False, False, True):
        pair.publish_elsewhere("logs", 1)
        pair.settle()
        pair.kill_hub()
        pair.hear_of_cuts()
        pair.start_hub(keep_logs=keep_logs)
        pair.publish_elsewhere("logs", 1)
        pair.idle(3)
    first, second, third = pair.histories.epochs("logs")
    assert offsets(pair) == [4, f"{second}:0", 1, 2, f"{third}:0", 1, 2, 3]
    assert str(pair.client.session.follows["logs"].cursor) == f"{first}:3"
    pair.heal()


@pytest.mark.clause("S10", "R8", "M36")
def test_what_a_window_has_under_way_comes_again_to_another_process() -> None:
    with Pair() as pair:
        pair.connect()
        pair.subscribe("logs", 4)
        pair.idle(2)
        pair.handle()
        pair.publish_elsewhere("logs", 9)
        pair.settle()
        assert offsets(pair) == [1, 2, 3, 4]
        pair.handle("logs", 3)
        pair.settle()
        pair.restart_client(with_positions=False)
        pair.settle()
        start, *events = pair.client.queues["logs"]
        handled = pair.histories.epochs("logs")[0] + ":2"
        assert (start.position, [event.offset for event in events]) == (handled, [3, 4, 5, 6])
        pair.heal()


@pytest.mark.clause("R9", "M49")
def test_a_resume_brings_so_many_entries_over_all_channels_and_tells_the_rest() -> None:
    with Pair(resume_events=4) as pair:
        pair.connect()
        for channel in CHANNELS:
            pair.subscribe(channel)
        pair.settle()
        pair.handle()
        pair.cut()
        for channel in CHANNELS:
            pair.publish_elsewhere(channel, 5)
        pair.wait(45)
        pair.settle()
        found = [item for channel in CHANNELS for item in pair.client.queues[channel]]
        assert len([item for item in found if isinstance(item, Event)]) == 4
        assert sum(item.missed or 0 for item in found if isinstance(item, Gap)) == 6
        pair.heal()


@pytest.mark.clause("R13", "M31", "I6")
def test_a_publish_whose_answer_is_lost_is_stored_once(pair: Pair) -> None:
    asked = pair.publish("logs")
    pair.links[0].deliver_up(ALL)
    pair.cut()
    pair.hear_of_cuts()
    pair.heal()
    assert isinstance(asked.answer, Resolve)
    assert asked.answer.answer["duplicate"] is True


@pytest.mark.clause("R15", "R5")
def test_after_forget_no_token_of_the_session_resumes(pair: Pair) -> None:
    pair.idle(2)
    tokens = pair.client.tokens
    pair.client.close("forget")
    pair.may_be_closed = True
    pair.settle()
    for token in tokens:
        pair.restart_client()
        pair.client.session.restoring.token = token
        pair.settle()
        assert [line.is_resumed for line in pair.client.session.lines.values()] == [False]
    pair.heal()
