import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.presence import Change, Presence

WALL = 1_767_225_600.0
ROOM = "room:1"


def told(change: Change | None) -> tuple[str, str, object] | None:
    return None if change is None else (change.event, change.subject, json.loads(change.data))


@pytest.mark.clause("C25")
def test_the_first_subscription_of_a_subject_is_told_and_the_next_is_not() -> None:
    presence = Presence()
    news = [told(presence.joined(ROOM, "ann", WALL + i)) for i in range(2)]
    assert news == [("join", "ann", {"since": WALL, "connections": 1}), None]


@pytest.mark.clause("C25")
def test_the_end_of_the_last_subscription_is_told_10_s_later_and_once() -> None:
    presence = Presence()
    presence.joined(ROOM, "ann", WALL)
    presence.left(ROOM, "ann", 100.0)
    news = [[told(change) for change in presence.departures(now)] for now in (109.9, 110.0, 200.0)]
    assert news == [[], [("leave", "ann", {"since": WALL, "connections": 0})], []]


@pytest.mark.clause("C25")
def test_a_subject_with_another_subscription_has_not_left() -> None:
    presence = Presence()
    presence.joined(ROOM, "ann", WALL)
    presence.joined(ROOM, "ann", WALL)
    presence.left(ROOM, "ann", 100.0)
    assert (list(presence.departures(1_000.0)), presence.subjects(ROOM)) == ([], ["ann"])


@pytest.mark.clause("C25")
def test_who_comes_back_within_10_s_was_never_away() -> None:
    presence = Presence()
    presence.joined(ROOM, "ann", WALL)
    presence.left(ROOM, "ann", 100.0)
    again = presence.joined(ROOM, "ann", WALL + 5)
    assert (again, list(presence.departures(1_000.0))) == (None, [])


@pytest.mark.clause("C25")
def test_the_ten_seconds_begin_anew_after_coming_back() -> None:
    presence = Presence()
    presence.joined(ROOM, "ann", WALL)
    presence.left(ROOM, "ann", 100.0)
    presence.joined(ROOM, "ann", WALL)
    presence.left(ROOM, "ann", 105.0)
    assert [len(list(presence.departures(now))) for now in (110.0, 114.9, 115.0)] == [0, 0, 1]


@pytest.mark.clause("C25")
def test_each_channel_has_members_of_its_own() -> None:
    presence = Presence()
    for channel, subject in [("room:1", "ann"), ("room:2", "ann"), ("room:1", "bob")]:
        presence.joined(channel, subject, WALL)
    assert [presence.subjects(channel) for channel in ("room:1", "room:2", "room:3")] == [["ann", "bob"], ["ann"], []]


def test_a_channel_is_empty_only_after_the_last_departure() -> None:
    presence = Presence()
    presence.joined(ROOM, "ann", WALL)
    presence.left(ROOM, "ann", 100.0)
    before = presence.is_empty(ROOM)
    list(presence.departures(110.0))
    assert (before, presence.is_empty(ROOM)) == (False, True)


def test_news_is_kept_by_subject() -> None:
    change = Presence().joined(ROOM, "ann", WALL)
    assert change is not None
    assert (change.companion, change.event, change.subject) == (ROOM + "/presence", "join", "ann")


@pytest.mark.clause("C25")
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from([0.0, 4.0, 11.0])), max_size=40))
def test_joins_and_leaves_alternate_and_end_with_the_truth(steps: list[tuple[str, bool, float]]) -> None:
    presence, now, open_count = Presence(), 0.0, {"a": 0, "b": 0}
    news: dict[str, list[str]] = {"a": [], "b": []}
    for subject, comes, pause in steps:
        now += pause
        for change in presence.departures(now):
            news[change.subject].append(change.event)
        if comes:
            change_or_none = presence.joined(ROOM, subject, now)
            news[subject] += [] if change_or_none is None else [change_or_none.event]
            open_count[subject] += 1
        elif open_count[subject]:
            presence.left(ROOM, subject, now)
            open_count[subject] -= 1
    for change in presence.departures(now + 10):
        news[change.subject].append(change.event)
    for subject, events in news.items():
        assert events == ["join", "leave"] * (len(events) // 2) + ["join"] * (open_count[subject] > 0)
