"""Writes that are gathered in an io_uring: what is observable of them is as if each were written alone."""

import socket
from typing import Any

import pytest

from channels._native import Plane
from tests.support.plane_peer import Peer, Running, entry

EVENTS = 400
LARGE = b'"' + b"x" * 2_000 + b'"'


def gathers() -> bool:
    """Whether the kernel has a ring for us: containers often have not."""
    with Running(ring_from=1) as running:
        log = running.open_log()
        conn, peer = running.connect()
        running.subscribe(conn, log)
        peer.subscribed()
        running.append(log, entry())
        peer.messages(1)
        running.until("deliveries", 1)  # counted after it was written, and after the writes that were gathered
        return bool(running.plane.stats()["ring_sends"])


@pytest.fixture(params=[0, 1], ids=["one by one", "gathered"])
def running(request: pytest.FixtureRequest) -> Any:
    if request.param and not gathers():
        pytest.skip("this kernel has no io_uring for us")
    with Running(ring_from=request.param, write_stall=60.0) as running:
        yield running
        assert bool(running.plane.stats()["ring_sends"]) == bool(request.param)


def follow(running: Running, log: int, number: int, **options: Any) -> list[tuple[int, Peer]]:
    peers = [running.connect() for _ in range(number)]
    for conn, peer in peers:
        running.subscribe(conn, log, **options)
        peer.subscribed()
    return peers


@pytest.mark.clause("P3")
def test_everybody_gets_every_event_once_and_in_order(running: Running) -> None:
    log = running.open_log()
    peers = follow(running, log, 5)
    for _ in range(EVENTS):
        running.append(log, entry())
    for _, peer in peers:
        assert [message["offset"] for message in peer.messages(EVENTS)] == list(range(1, EVENTS + 1))


@pytest.mark.clause("S1", "P3")
def test_who_reads_late_gets_it_all_and_keeps_nobody_waiting(running: Running) -> None:
    log = running.open_log()
    (_, late), *others = follow(running, log, 4)
    for _ in range(EVENTS):
        running.append(log, entry(LARGE))
    for _, peer in others:
        assert [message["offset"] for message in peer.messages(EVENTS)] == list(range(1, EVENTS + 1))
    assert [message["offset"] for message in late.messages(EVENTS)] == list(range(1, EVENTS + 1))


@pytest.mark.clause("M7")
def test_answers_stand_between_messages_that_were_cut_by_a_full_socket(running: Running) -> None:
    log = running.open_log()
    (conn, late), (_, other) = follow(running, log, 2)
    for number in range(EVENTS):
        running.append(log, entry(LARGE))
        if number % 50 == 0:
            running.send(conn, b'{"type":"pong"}')
    other.messages(EVENTS)
    received = late.messages(EVENTS + EVENTS // 50)
    assert [one["offset"] for one in received if one["type"] == "event"] == list(range(1, EVENTS + 1))


def test_who_is_gone_costs_the_others_nothing(running: Running) -> None:
    log = running.open_log()
    (gone, left), *others = follow(running, log, 3)
    left.sock.shutdown(socket.SHUT_RDWR)
    left.sock.close()
    for _ in range(EVENTS):
        running.append(log, entry())
    for _, peer in others:
        assert [message["offset"] for message in peer.messages(EVENTS)] == list(range(1, EVENTS + 1))
    running.event(lambda event: event[0] == gone)


def test_a_number_of_subscribers_below_nought_is_refused() -> None:
    with pytest.raises(OverflowError):
        Plane(ring_from=-1)
