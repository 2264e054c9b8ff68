"""The recovery of the Python client against the hub's core, in memory: the cases that have a name of their own."""

from collections.abc import Iterator
from typing import Any

import pytest
from neurograph_ws_client import Event, Gap, State
from neurograph_ws_client.effects import Resolve

from channels.buckets import Rate
from channels.permissions import Role
from tests.support.pair.histories import CHANNELS
from tests.support.pair.link import Link
from tests.support.pair.pair import ALL, Pair


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


@pytest.mark.clause("M26", "P3")
def test_options_that_come_to_a_subscription_the_hub_had_ended_move_no_cursor() -> None:
    """The right goes and comes back while an update is on its way: the hub begins another subscription, at its head."""
    with Pair(seed=0, max_entries=4, resume_events=3) as pair:
        pair.connect()
        for channel in CHANNELS:
            pair.subscribe(channel, 1)
        pair.settle()
        pair.publish_elsewhere("logs", 2)
        pair.settle()
        pair.change_role(Role.VIEWER)
        pair.client.update("logs", 1)
        pair.heal()


@pytest.mark.clause("M26", "L23")
def test_options_changed_while_away_hold_though_the_next_hub_takes_only_some_at_once() -> None:
    with Pair(rates={"subscribe": Rate(1, 1)}) as pair:
        pair.connect()
        for channel in CHANNELS:
            pair.subscribe(channel)
        pair.idle(2)
        pair.cut()
        pair.hear_of_cuts()
        for window, channel in enumerate(CHANNELS, 2):
            pair.client.update(channel, window)
        pair.heal()
        assert [pair.links[0].wire.windows[channel] for channel in CHANNELS] == [2, 3]


@pytest.mark.clause("N18", "R2", "M23")
def test_a_subscribe_that_is_repeated_while_the_first_one_waits_in_vain_is_served_and_known() -> None:
    with Pair() as pair:
        pair.connect()
        pair.subscribe("logs")
        pair.wait_in_vain()
        assert pair.waits == 1
        pair.end_wait(well=True)
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
        handled = pair.histories.epochs("logs")[0] + ":2"
        assert (pair.client.client.positions["logs"], offsets(pair)) == (handled, [3, 4, 5, 6])
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


@pytest.mark.clause("R3", "P5", "P11")
def test_a_channel_that_a_token_restores_stands_where_it_stood_until_its_gap_is_handled() -> None:
    """Its unsubscribe never arrived, and the log is another one since."""
    with Pair() as pair:
        pair.connect()
        pair.subscribe("actions")
        pair.idle(2)
        stood = pair.client.client.positions["actions"]
        pair.kill_hub()
        pair.start_hub(keep_logs=False)
        pair.client.unsubscribe("actions")
        pair.restart_client(is_from_store=True, subscribes_after=0.0)
        pair.settle()
        pair.publish("logs")  # the application looks what was restored
        assert pair.client.client.positions["actions"] == stood
        assert [item.reason for item in pair.client.queues["actions"]] == ["epoch"]
        pair.handle("actions")
        assert pair.client.client.positions["actions"] == str(pair.histories.head("actions"))
        pair.heal()


@pytest.mark.clause("R3", "P4", "I3")
def test_what_is_subscribed_amid_the_resume_of_a_former_process_begins_where_it_wants() -> None:
    """The token restores the channel further on, where the former process stood."""
    with Pair() as pair:
        pair.connect()
        pair.subscribe("actions")
        pair.settle()
        pair.publish_elsewhere("actions", 3)
        pair.settle()
        pair.handle("actions")
        pair.idle(2)
        pair.restart_client()
        pair.wait(1)
        pair.answer()
        pair.links[-1].deliver_down(1)
        pair.subscribe_again("actions", None, 2)
        pair.settle()
        assert offsets(pair, "actions") == [2, 3]
        pair.heal()
