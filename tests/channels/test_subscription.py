import pytest

from channels.subscription import Roster, SubscribeSpec


def test_a_bare_spec_starts_at_the_head_without_a_limit_and_keeps_no_cursor() -> None:
    spec = SubscribeSpec("logs", "all", "gap")
    assert (spec.max_rate, spec.start, spec.keep) == (None, "new", False)


@pytest.mark.clause("M26")
def test_only_channels_that_were_not_followed_before_are_new() -> None:
    roster = Roster()
    fresh = [roster.add(1, "ann", ["a", "b", "a"]), roster.add(1, "ann", ["b", "c"])]
    assert (fresh, roster.channels(1)) == ([["a", "b"], ["c"]], ["a", "b", "c"])


@pytest.mark.clause("M28")
def test_only_channels_that_were_followed_are_gone() -> None:
    roster = Roster()
    roster.add(1, "ann", ["a", "b"])
    gone = [roster.remove(1, ["b", "x", "b"]), roster.remove(2, ["a"])]
    assert (gone, roster.channels(1)) == ([["b"], []], ["a"])


def test_a_connection_that_follows_nothing_is_not_kept() -> None:
    roster = Roster()
    roster.add(1, "ann", [])
    roster.add(2, "bob", ["a"])
    roster.remove(2, ["a"])
    assert (len(roster), roster.subject(2), roster.channels(2)) == (0, None, [])


def test_a_connection_follows_for_one_subject_that_may_change() -> None:
    roster = Roster()
    roster.add(1, None, ["a"])
    roster.rename(1, "ann")
    roster.rename(2, "bob")
    assert (roster.subject(1), roster.subject(2)) == ("ann", None)
