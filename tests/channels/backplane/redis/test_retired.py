"""Former masters: by channel, for a time, and until one is found again (N5). No Redis, no clock."""

import pytest

from channels.backplane.redis.retired import MOST_CHANNELS, MOST_MASTERS, RETIRED_SECONDS, Retired

OLD, OTHER = "4fa0c213" * 5, "91bb07de" * 5


@pytest.fixture
def retired() -> Retired:
    retired = Retired()
    retired.add("actions", OLD, 100.0)
    return retired


@pytest.mark.clause("N5")
def test_a_master_is_believed_no_longer_of_the_channels_that_were_asked_for(retired: Retired) -> None:
    asked = [("actions", OLD), ("actions", OTHER), ("logs", OLD)]
    assert [retired.holds(*one, 101.0) for one in asked] == [True, False, False]
    segments = [("actions", "b1.4fa0c213"), ("actions", "b1.91bb07de"), ("logs", "b1.4fa0c213"), ("actions", "")]
    assert [retired.wrote(*one, 101.0) for one in segments] == [True, False, False, False]


@pytest.mark.clause("N5")
def test_it_is_so_for_a_time(retired: Retired) -> None:
    times = (100.0 + RETIRED_SECONDS, 101.0 + RETIRED_SECONDS)
    assert [retired.holds("actions", OLD, now) for now in times] == [True, False]
    assert [retired.wrote("actions", "b1.4fa0c213", now) for now in times] == [True, False]


@pytest.mark.clause("N5")
def test_a_connection_that_was_begun_later_and_finds_it_believes_it_again(retired: Retired) -> None:
    assert [retired.found(OLD, 99.0), retired.found(OTHER, 101.0)] == [False, False]
    assert retired.holds("actions", OLD, 102.0)
    assert retired.found(OLD, 101.0)
    assert (retired.holds("actions", OLD, 102.0), len(retired)) == (False, 0)


def test_what_is_remembered_is_bounded(retired: Retired) -> None:
    for number in range(MOST_MASTERS):
        retired.add("actions", f"{number:040d}", 101.0)
    assert not retired.holds("actions", OLD, 102.0)
    for number in range(MOST_CHANNELS):
        retired.add(f"room:{number}", OLD, 101.0)
    assert len(retired) == MOST_CHANNELS
    assert not retired.holds("actions", f"{0:040d}", 102.0)
