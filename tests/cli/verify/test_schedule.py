"""The schedule of a campaign."""

import pytest
from ng_ws.verify.schedule import CALM, KINDS, MAX_FAULTS, planned


def test_a_seed_decides_it_all() -> None:
    assert planned(7, tuple(KINDS), 60) == planned(7, tuple(KINDS), 60)
    assert planned(7, tuple(KINDS), 60) != planned(8, tuple(KINDS), 60)


@pytest.mark.parametrize("seed", range(20))
def test_each_kind_that_was_asked_for_comes_after_the_calm_and_lasts_as_long_as_it_may(seed: int) -> None:
    faults = planned(seed, ("cut", "kill", "hole"), 60)
    assert {fault.kind for fault in faults} == {"cut", "kill", "hole"}
    assert [fault.no for fault in faults] == list(range(1, len(faults) + 1))
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    for fault in faults:
        kind = KINDS[fault.kind]
        assert CALM <= fault.at <= 54
        assert kind.shortest - 0.001 <= fault.length <= kind.longest + 0.001
        assert 0.1 <= fault.share <= 1.0


def test_a_short_run_has_each_kind_once_and_a_long_one_is_bounded() -> None:
    assert len(planned(1, tuple(KINDS), 1)) == len(KINDS)
    assert len(planned(1, ("cut",), 3_600)) == MAX_FAULTS


def test_no_faults_are_no_faults() -> None:
    assert planned(1, (), 60) == []
