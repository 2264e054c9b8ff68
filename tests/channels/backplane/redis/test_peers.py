"""The order of what nodes tell, whatever is lost, doubled or late (N15). No Redis, no loop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.backplane.redis.control import Control
from channels.backplane.redis.peers import FORGOTTEN_SECONDS, MOST_HELD, Peers


def told(kept: list[bool], run: str = "r", node: str = "n") -> list[Control]:
    """What one run of a node tells; True: kept."""
    return [
        Control(node, run, number, sum(kept[:number]), "kick", {"n": number}, is_kept)
        for number, is_kept in enumerate(kept, 1)
    ]


@pytest.fixture
def peers() -> Peers:
    peers = Peers("own", "own-run")
    peers.release()
    return peers


@pytest.mark.clause("N15")
@given(st.lists(st.booleans(), max_size=20), st.data())
def test_every_kept_message_is_handed_on_once_and_everything_in_order(kept: list[bool], data: st.DataObject) -> None:
    messages = told(kept)
    heard = [one for one in messages if data.draw(st.booleans())]
    heard += [data.draw(st.sampled_from(heard)) for _ in range(3) if heard]
    peers = Peers("own", "own-run")
    peers.release()
    handed = []
    for message in sorted(heard, key=lambda one: one.number):
        ready, is_behind = peers.hear(message, 1.0)
        handed += ready
        if is_behind:
            peers.read((one for one in messages[: message.number] if one.is_kept), 1.0)
            handed += peers.release()
    last = max((one.number for one in heard), default=0)
    numbers = [one.number for one in handed]
    assert numbers == sorted(set(numbers))
    assert {one.number for one in messages[:last] if one.is_kept} <= set(numbers)
    assert {one.number for one in heard} <= set(numbers)


@pytest.mark.clause("N15")
def test_before_what_was_kept_is_read_nothing_is_handed_on() -> None:
    peers = Peers("own", "own-run")
    first, second, third = told([True, False, True])
    assert peers.hear(third, 1.0) == ([], True)
    peers.read([first, third], 1.0)
    assert [one.number for one in peers.release()] == [1, 3]
    assert peers.hear(second, 2.0) == ([], False)
    assert peers.repeated == 1


def test_what_this_run_has_told_is_not_heard_and_what_its_former_run_kept_is(peers: Peers) -> None:
    assert peers.hear(told([False], "own-run", "own")[0], 1.0) == ([], False)
    (former,) = told([True], "former-run", "own")
    peers.read([former, *told([True], "own-run", "own")], 1.0)
    assert peers.release() == [former]


def test_what_is_held_is_bounded() -> None:
    peers = Peers("own", "own-run")
    for message in told([False] * (MOST_HELD + 5)):
        peers.hear(message, 1.0)
    assert (len(peers.release()), peers.lost) == (MOST_HELD, 5)


@pytest.mark.clause("N9", "N5")
def test_nodes_are_there_for_ten_seconds_and_known_though_they_have_left(peers: Peers) -> None:
    (message,) = told([False])
    peers.hear(message, 100.0)
    there = [peers.nodes(now) for now in (101.0, 110.0, 110.1)]
    peers.leave(message)
    assert there == [{"n": 1.0}, {"n": 10.0}, {}]
    assert (peers.nodes(101.0), peers.known(105.0, 10.0), peers.known(111.0, 10.0)) == ({}, {"n/r"}, set())


def test_an_unnumbered_message_shows_what_was_kept_and_not_heard(peers: Peers) -> None:
    kept = told([True, True])
    canary = Control("n", "r", 0, 2, "canary", {}, False)
    behind = [peers.notice(canary, 1.0)]
    for message in kept:
        peers.hear(message, 1.0)
    behind.append(peers.notice(canary, 1.0))
    assert behind == [True, False]


def test_runs_that_are_not_heard_of_are_forgotten(peers: Peers) -> None:
    (message,) = told([False])
    peers.hear(message, 1.0)
    peers.sweep(2.0 + FORGOTTEN_SECONDS)
    assert peers.hear(message, 1_000.0) == ([message], False)


def test_runs_of_which_only_what_they_kept_was_read_are_forgotten_too(peers: Peers) -> None:
    for number in range(3):
        peers.read(told([True], f"r{number}"), 10.0 * number)
    assert len(peers.release()) == 3
    peers.sweep(15.0 + FORGOTTEN_SECONDS)
    assert len(peers) == 1
    assert peers.known(15.0 + FORGOTTEN_SECONDS, 1_000.0) == set()


def test_a_namesake_is_noticed(peers: Peers) -> None:
    peers.notice(Control("own", "other-run", 0, 0, "canary", {}, False), 10.0)
    assert [peers.is_namesake_heard(now) for now in (11.0, 13.0)] == [True, False]
