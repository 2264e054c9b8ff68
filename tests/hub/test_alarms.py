"""One heap for all alarms; the clock is an argument."""

from hypothesis import given
from hypothesis import strategies as st

from hub.alarms import SLACK, Alarms


def test_who_is_due_is_called_once_and_in_order() -> None:
    alarms = Alarms()
    for key, at in ((1, 3.0), (2, 1.0), (3, 2.0)):
        alarms.set(key, at)
    assert (alarms.due(0.9), alarms.due(2.0), alarms.due(2.0), alarms.due(9.0)) == ([], [2, 3], [], [1])


def test_a_later_time_takes_the_place_of_an_earlier_one_and_the_other_way_round() -> None:
    alarms = Alarms()
    alarms.set(1, 1.0)
    alarms.set(1, 5.0)
    alarms.set(2, 5.0)
    alarms.set(2, 1.0)
    assert (alarms.due(1.0), alarms.due(4.9), alarms.due(5.0)) == ([2], [], [1])


def test_who_is_forgotten_is_not_called() -> None:
    alarms = Alarms()
    alarms.set(1, 1.0)
    alarms.forget(1)
    alarms.forget(2)
    assert (len(alarms), alarms.due(2.0)) == (0, [])


def test_everybody_can_be_called_at_once() -> None:
    alarms = Alarms()
    alarms.set(1, 1.0)
    alarms.set(2, 9.0)
    assert (sorted(alarms.take_all()), alarms.due(10.0)) == ([1, 2], [])


def test_keys_that_come_and_go_leave_nothing_behind() -> None:
    alarms = Alarms()
    for key in range(10 * SLACK):
        alarms.set(key, 86_400.0)
        alarms.forget(key)
    assert len(alarms._heap) <= SLACK + 2


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.floats(0, 10)), max_size=40), st.floats(0, 10))
def test_the_heap_is_a_dictionary_in_order_of_time(steps: list[tuple[int, float | None]], now: float) -> None:
    alarms, model = Alarms(), dict[int, float]()
    for key, at in steps:
        if at is None:
            alarms.forget(key)
            model.pop(key, None)
        else:
            alarms.set(key, at)
            model[key] = at
    assert sorted(alarms.due(now)) == sorted(key for key, at in model.items() if at <= now)
