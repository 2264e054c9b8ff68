"""How many come in, from where, and how fast; the clock is an argument."""

from typing import Any

import pytest

from channels.buckets import Rate
from hub.admission import Admission, AdmissionLimits, Denial, is_allowed_origin
from hub.config import Settings

ADDRESS = "192.0.2.1"


def admission(**limits: Any) -> Admission:
    return Admission(AdmissionLimits(**limits))


def statuses(door: Admission, count: int, now: float, address: str = ADDRESS) -> list[int | None]:
    denials = [door.deny(address, now) for _ in range(count)]
    return [None if denial is None else denial.status for denial in denials]


@pytest.mark.clause("L1", "C11")
@pytest.mark.accept("D5")
def test_a_full_node_answers_503_until_somebody_leaves() -> None:
    door = admission(max_connections=2)
    for _ in range(2):
        door.opened(ADDRESS, waits=False)
    full = door.deny(ADDRESS, 0.0)
    door.closed(ADDRESS, waits=False)
    assert full == Denial(503, "this node is full", "limit/connections", 5.0)
    assert door.deny(ADDRESS, 0.0) is None


@pytest.mark.clause("L1", "C13")
def test_only_a_share_of_the_connections_may_wait_for_a_login() -> None:
    door = admission(max_connections=20, waiting_share=0.1)
    for _ in range(2):
        door.opened(ADDRESS, waits=True)
    crowded = door.deny(ADDRESS, 0.0)
    door.logged_in()
    assert (crowded and crowded.label, door.deny(ADDRESS, 0.0)) == ("limit/waiting", None)


@pytest.mark.clause("C11")
def test_a_draining_node_answers_503() -> None:
    door = admission()
    door.is_draining = True
    assert statuses(door, 1, 0.0) == [503]


@pytest.mark.clause("L3", "C11")
def test_handshakes_of_an_address_are_paid_from_its_bucket() -> None:
    door = admission(handshake_rate=Rate(3, 2))
    assert statuses(door, 4, 0.0) == [None, None, None, 429]
    denial = door.deny(ADDRESS, 0.0)
    assert denial is not None
    assert (denial.label, denial.retry_after) == ("limit/handshakes", 0.5)
    assert statuses(door, 1, 0.0, "192.0.2.2") == [None]
    assert statuses(door, 2, 0.5) == [None, 429]


@pytest.mark.clause("L3")
def test_the_buckets_of_idle_addresses_are_forgotten() -> None:
    door = admission(handshake_rate=Rate(3, 2))
    statuses(door, 3, 0.0)
    door.sweep(0.1)
    held = statuses(door, 1, 0.1)
    door.sweep(100.0)
    assert (held, statuses(door, 4, 100.0)) == ([429], [None, None, None, 429])


@pytest.mark.clause("L2", "L21")
@pytest.mark.parametrize("other", ["192.0.2.1", "2001:db8::1"])
def test_an_address_has_a_limit_and_an_ipv6_network_of_64_bits_counts_as_one(other: str) -> None:
    door = admission(max_connections_per_address=2)
    neighbour = other if "." in other else "2001:db8::ffff"
    door.opened(other, waits=False)
    before = door.has_too_many(neighbour)
    door.opened(other, waits=False)
    after = door.has_too_many(neighbour)
    door.closed(other, waits=False)
    elsewhere = door.has_too_many("198.51.100.1")
    assert (before, after, door.has_too_many(neighbour), elsewhere) == (False, True, False, False)


@pytest.mark.clause("L2")
@pytest.mark.parametrize(("mode", "is_refused"), [("development", False), ("production", True)])
def test_loopback_is_exempt_in_development_only(mode: str, is_refused: bool) -> None:
    settings = Settings.model_construct(**{**Settings().model_dump(), "mode": mode, "max_connections_per_address": 1})
    door = Admission(AdmissionLimits.from_settings(settings))
    door.opened("127.0.0.1", waits=False)
    assert door.has_too_many("127.0.0.1") is is_refused


@pytest.mark.clause("L2")
def test_who_is_let_in_only_to_be_refused_counts_for_the_node_and_not_for_the_address() -> None:
    door = admission(max_connections=2, max_connections_per_address=1)
    door.opened(None, waits=False)
    assert (door.open, door.has_too_many(ADDRESS)) == (1, False)
    door.closed(None, waits=False)
    assert door.open == 0


def test_nothing_is_left_of_an_address_that_has_gone() -> None:
    door = admission()
    for _ in range(3):
        door.opened(ADDRESS, waits=True)
    for _ in range(3):
        door.closed(ADDRESS, waits=True)
    assert (door.open, door.waiting, dict(door._by_address)) == (0, 0, {})


OWN = "localhost:8000"


@pytest.mark.clause("C12")
@pytest.mark.accept("C14")
@pytest.mark.parametrize(
    ("origins", "allowed", "production", "development"),
    [
        ([], (), True, True),
        (["http://localhost:8000"], (), True, True),
        (["HTTP://LOCALHOST:8000"], (), True, True),
        (["http://localhost:3000"], (), False, True),
        (["http://127.0.0.1:5173"], (), False, True),
        (["http://[::1]:5173"], (), False, True),
        (["https://localhost:8000"], (), False, True),
        (["null"], (), False, False),
        (["null"], ("null",), True, True),
        (["https://app.example"], ("https://app.example",), True, True),
        (["https://app.example:443"], ("https://app.example",), True, True),
        (["https://app.example:8443"], ("https://app.example",), False, False),
        (["http://app.example"], ("https://app.example",), False, False),
        (["https://app.example.evil"], ("https://app.example",), False, False),
        (["https://evil/app.example"], ("https://app.example",), False, False),
        (["https://app.example@evil"], ("https://app.example",), False, False),
        (["http://localhost.evil:8000"], (), False, False),
        (["https://app.example", "https://app.example"], ("https://app.example",), False, False),
        (["http://localhost:99999"], (), False, False),
        ([""], (), False, False),
        (["\xff"], (), False, False),
    ],
)
def test_an_origin_is_compared_as_scheme_host_and_port(
    origins: list[str], allowed: tuple[str, ...], production: bool, development: bool
) -> None:
    answers = [is_allowed_origin(origins, OWN, "http", allowed, development=mode) for mode in (False, True)]
    assert answers == [production, development]
