"""What a client acknowledged, and what that says to a resume without positions (M36, R8)."""

from typing import Any

import pytest

from channels.publication import Position
from hub.session.effects import Acknowledge, Alarm, Locate
from tests.hub.session.household import (
    WHERE,
    Household,
    following,
    located,
    resumed,
    specs_of,
)
from tests.hub.session.support import START, Bench


@pytest.mark.clause("R8", "M36")
@pytest.mark.parametrize(
    ("acked", "sent", "start"),
    [
        ("k3Fq:4500", "k3Fq:4500", 4500),
        ("k3Fq:4500", "k3Fq:4600", 4500),
        ("k3Fq:4300", "k3Fq:4600", 4410),
        ("k3Fq:4700", "k3Fq:4600", 4410),
        ("t0aZ:9999", "k3Fq:4600", 4410),
    ],
)
def test_without_positions_the_later_of_token_and_ack_counts(acked: str, sent: str, start: int) -> None:
    """An ack of what was not sent, or of another epoch, is ignored: only the plane knows."""
    household = Household()
    former, token = following(household)
    answers = former.send({"type": "ack", "positions": {"actions": acked}})
    assert answers == [Acknowledge({"actions": Position.parse(acked)}), Locate()]
    assert located(former, {**WHERE, "actions": sent}) == []
    assert specs_of(resumed(household.peer(), token))["actions"].start == ("at", "k3Fq", start)


@pytest.mark.clause("R8", "M36")
@pytest.mark.parametrize(
    "between",
    [
        [{"type": "unsubscribe", "channel": "actions"}, {"type": "subscribe", "channel": "actions"}],
        [{"type": "subscribe", "channel": "actions", "from": {"positions": {"actions": "k3Fq:20"}}}],
    ],
)
def test_what_was_acknowledged_of_a_former_subscription_says_nothing_of_a_later_one(between: list[Any]) -> None:
    household = Household()
    former, _ = following(household)
    former.send({"type": "ack", "positions": {"actions": "k3Fq:100"}})
    located(former, {"actions": "k3Fq:100", "metrics": "k3Fq:18"})
    former.send(*between)
    token = household.token(former, actions="k3Fq:20", metrics="k3Fq:18")
    assert specs_of(resumed(household.peer(), token))["actions"].start == ("at", "k3Fq", 20)


def acks(peer: Bench, *texts: str) -> list[Any]:
    return peer.send(*[{"type": "ack", "positions": {"actions": text}} for text in texts])


@pytest.mark.clause("R8", "M36")
def test_acks_ask_the_plane_once_a_second_at_most_and_the_last_of_them_counts() -> None:
    household = Household()
    peer, token = following(household)
    answers = acks(peer, *(f"k3Fq:{4_410 + number}" for number in range(1, 50)))
    assert answers.count(Locate()) == 1
    located(peer, {**WHERE, "actions": "k3Fq:4500"})
    assert specs_of(resumed(household.peer(), token))["actions"].start == ("at", "k3Fq", 4_459)


@pytest.mark.clause("R8", "M36")
def test_an_ack_just_after_a_question_is_asked_about_by_itself_a_second_later() -> None:
    household = Household()
    peer, token = following(household)
    acks(peer, "k3Fq:4420")
    located(peer, {**WHERE, "actions": "k3Fq:4500"})
    peer.now = 0.5
    assert acks(peer, "k3Fq:4480")[-1] == Alarm(START.now + 1.0)
    peer.now = 1.0
    assert Locate() in peer.take(peer.session.alarm(peer.moment))
    located(peer, {**WHERE, "actions": "k3Fq:4500"})
    assert specs_of(resumed(household.peer(), token))["actions"].start == ("at", "k3Fq", 4_480)
    peer.now = 2.5
    assert peer.take(peer.session.alarm(peer.moment)) == [Alarm(START.now + 150)]


@pytest.mark.clause("R8", "M36")
@pytest.mark.parametrize("ignored", ["k3Fq:4470", "k3Fq:4600", "t0aZ:1", "t0aZ:9999"])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_ack_to_be_ignored_takes_no_other_with_it(ignored: str, is_first: bool) -> None:
    """Older than another, of what was not sent, or of another epoch; before the one that counts, or after it."""
    household = Household()
    peer, token = following(household)
    acks(peer, *([ignored, "k3Fq:4480"] if is_first else ["k3Fq:4480", ignored]))
    located(peer, {**WHERE, "actions": "k3Fq:4500"})
    assert specs_of(resumed(household.peer(), token))["actions"].start == ("at", "k3Fq", 4_480)


@pytest.mark.clause("S10", "M36")
def test_an_ack_concerns_only_what_is_subscribed_with_a_window() -> None:
    household = Household()
    peer, _ = following(household)
    positions = {"actions": "k3Fq:1", "metrics": "k3Fq:1", "logs": "k3Fq:1"}
    assert peer.send({"type": "ack", "positions": positions})[0] == Acknowledge({"actions": Position("k3Fq", 1)})
