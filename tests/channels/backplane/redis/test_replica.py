import pytest

from channels.backplane import Followed
from channels.backplane.redis.replica import FORMER_EPOCHS, MAX_PARKED, NOWHERE, Judgement, Replica, Standing
from channels.backplane.redis.segment import Segment
from channels.publication import Position

APPLY, KNOWN, HOLE = Judgement.APPLY, Judgement.KNOWN, Judgement.HOLE
OTHER_EPOCH, TWO_PASTS = Judgement.OTHER_EPOCH, Judgement.TWO_PASTS


def segment(first: int, last: int, batch: str = "", epoch: str = "e1") -> Segment:
    return Segment(epoch, first, last - first + 1, batch or f"b{last}", b"x")


@pytest.fixture
def replica() -> Replica:
    """At e1:10, by segments that end at 4, 7 and 10."""
    replica = Replica(Followed("actions", Position("local", 0), 300.0, 1_000, 1_000, False, True))
    replica.begun(Position("e1", 0))
    for first, last in ((1, 4), (5, 7), (8, 10)):
        replica.applied(segment(first, last))
    return replica


@pytest.mark.clause("N7", "N8")
@pytest.mark.parametrize(
    ("heard", "judgement"),
    [
        (segment(11, 12), APPLY),
        (segment(12, 12), HOLE),
        (segment(8, 10), KNOWN),
        (segment(5, 7), KNOWN),
        (segment(8, 10, "other"), TWO_PASTS),
        (segment(5, 6, "other"), TWO_PASTS),
        (segment(9, 12), TWO_PASTS),
        (segment(1, 3, "older than what is remembered"), KNOWN),
        (segment(1, 0), KNOWN),
        (segment(1, 1, epoch="e2"), OTHER_EPOCH),
    ],
)
def test_a_segment_is_judged_by_its_place_and_its_batch(replica: Replica, heard: Segment, judgement: Judgement) -> None:
    if heard.last == 3:
        replica.rest()
    assert replica.judge(heard) is judgement


@pytest.mark.clause("N7")
def test_a_boundary_where_this_node_has_none_is_another_past(replica: Replica) -> None:
    assert replica.judge(segment(8, 9, "b9")) is TWO_PASTS


@pytest.mark.clause("N7", "P1")
@pytest.mark.parametrize(
    ("before", "judgement"), [("b10", APPLY), ("", APPLY), ("other", TWO_PASTS)], ids=["follows", "unknown", "does not"]
)
def test_the_next_segment_follows_the_one_that_this_log_ends_with(
    replica: Replica, before: str, judgement: Judgement
) -> None:
    assert replica.judge(segment(11, 11)._replace(before=before)) is judgement


@pytest.mark.clause("N7")
def test_what_follows_an_end_that_is_not_known_is_taken(replica: Replica) -> None:
    replica.begun(Position("e1", 20))
    assert replica.judge(segment(21, 21)._replace(before="b20")) is APPLY
    replica.remember("b20")
    assert replica.judge(segment(21, 21)._replace(before="other")) is TWO_PASTS


@pytest.mark.clause("N7")
def test_what_was_heard_before_a_question_and_is_not_in_the_answer_is_forgotten(replica: Replica) -> None:
    replica.park(segment(40, 41))
    replica.park(segment(12, 12))
    replica.expect(2**60)
    replica.asked()
    replica.park(segment(50, 50))
    assert replica.answered(12) == 1
    assert [one.segment.first for one in replica.parked] == [12, 50]
    assert replica.target == 50  # it was heard after the question: another one tells
    replica.put_back(replica.take_parked()[1])
    replica.asked()
    assert replica.answered(12) == 1
    assert (replica.target, replica.parked) == (12, [])


def test_what_comes_late_of_a_history_that_is_over_is_nothing(replica: Replica) -> None:
    replica.begun(Position("e2", 0))
    assert replica.judge(segment(11, 11)) is KNOWN


def test_a_log_that_was_never_compared_takes_nothing() -> None:
    fresh = Replica(Followed("actions", Position("local", 0), 300.0, 1_000, 1_000, False, True))
    assert fresh.judge(segment(1, 1, epoch="local")) is HOLE
    assert (fresh.standing, fresh.own, fresh.lag) == (NOWHERE, NOWHERE, 0)


@pytest.mark.clause("N5")
def test_the_standing_is_the_farthest_that_anybody_was_told(replica: Replica) -> None:
    standings = [replica.standing]
    for acked in (Standing("e1", 12, "b12"), Standing("e1", 9, "b9"), Standing("e2", 1, "c1")):
        replica.acked = acked
        standings.append(replica.standing)
    replica.begun(Position("e2", 0))
    replica.begun(Position("e3", 0))
    standings.append(replica.standing)
    own = Standing("e1", 10, "b10")
    assert standings == [own, Standing("e1", 12, "b12"), own, Standing("e2", 1, "c1"), Standing("e3", 0, "")]


def test_parked_segments_are_bounded_and_come_back_in_order(replica: Replica) -> None:
    for number in reversed(range(MAX_PARKED + 5)):
        replica.park(segment(20 + number, 20 + number))
    parked = replica.take_parked()
    assert len(parked) == MAX_PARKED
    assert [one.segment.first for one in parked] == sorted(one.segment.first for one in parked)
    assert (replica.target, replica.lag, replica.parked) == (20 + MAX_PARKED + 4, MAX_PARKED + 14, [])


@pytest.mark.clause("N7", "N8")
def test_what_was_heard_of_an_epoch_that_never_came_is_not_kept_for_ever(replica: Replica) -> None:
    replica.park(segment(1, 1, epoch="e2"))
    replica.park(segment(4, 4, epoch="e3"))
    replica.begun(Position("e3", 0))
    assert [one.segment.epoch for one in replica.take_parked()] == ["e3"]


def test_it_is_whole_when_it_hears_and_lacks_nothing_that_is_known(replica: Replica) -> None:
    replica.is_suspect, replica.is_subscribed = False, True
    seen = [replica.is_whole]
    replica.target = 11
    seen.append(replica.is_whole)
    replica.applied(segment(11, 11))
    seen.append(replica.is_whole)
    replica.is_subscribed = False
    seen.append(replica.is_whole)
    assert seen == [True, False, True, False]
    assert "e1:11 of 11" in repr(replica)


@pytest.mark.clause("N4", "N5")
@pytest.mark.parametrize("is_late", [False, True], ids=["in time", "after the epoch"])
def test_what_was_appended_in_an_epoch_that_is_over_is_said_no_more_however_many_follow(
    replica: Replica, *, is_late: bool
) -> None:
    told = Standing("e1", 12, "b12")
    if not is_late:
        replica.answered_append(told)
        assert replica.standing == told
    for number in range(2, 2 + FORMER_EPOCHS):
        replica.begun(Position(f"e{number}", number))
        if is_late and number == 2:
            replica.answered_append(told)
        assert replica.standing == Standing(f"e{number}", number, "")
    replica.begun(Position("e99", 1))
    assert replica.standing == Standing("e99", 1, "")
