"""Windows of the plane: what a subscription with `ack` may have under way, and what opens it again."""

import pytest

from tests.support.plane_peer import Peer, Running, entry


def eight_behind_a_window(running: Running, size: int) -> tuple[int, Peer, int, str]:
    """A subscription with `ack`, and eight entries after it: connection, peer, log and epoch."""
    conn, peer = running.connect()
    log = running.open_log()
    running.subscribe(conn, log, ack=size)
    peer.subscribed()
    epoch, _ = running.append(log, *[entry()] * 8)
    return conn, peer, log, epoch


def nothing_more(running: Running, conn: int, peer: Peer) -> None:
    """No event comes before the answer to something asked for now."""
    running.send(conn, b'{"type":"pong"}')
    assert peer.message() == {"type": "pong"}


@pytest.mark.clause("S10", "M36")
def test_a_window_lets_out_so_many_events_until_they_are_acknowledged() -> None:
    with Running() as running:
        conn, peer, log, epoch = eight_behind_a_window(running, 3)
        assert peer.offsets(3) == [1, 2, 3]
        nothing_more(running, conn, peer)
        for place in [(log, epoch, 4), (log, "k3Fq", 3), (log + 1, epoch, 3)]:
            running.plane.ack(conn, [place])
        nothing_more(running, conn, peer)
        running.plane.ack(conn, [(log, epoch, 2)])
        running.plane.flush()
        assert peer.offsets(2) == [4, 5]
        running.plane.ack(conn, [(log, epoch, 1)])
        nothing_more(running, conn, peer)
        running.plane.ack(conn, [(log, epoch, 5)])
        running.plane.flush()
        assert peer.offsets(3) == [6, 7, 8]
        stats = running.plane.stats()
        assert (stats["acks"], stats["acks_ignored"], stats["window_waits"]) == (2, 4, 2)


@pytest.mark.clause("S10", "S9")
def test_a_subscription_is_overrun_while_it_waits_for_an_ack() -> None:
    with Running(write_stall=0.2) as running:
        conn, peer = running.connect()
        strict, victim = running.connect()
        log = running.open_log(max_entries=3)
        for number, its, on_slow in ((conn, peer, "gap"), (strict, victim, "close")):
            running.subscribe(number, log, ack=1, on_slow=on_slow)
            its.subscribed()
        epoch, _ = running.append(log, *[entry()] * 3)
        assert (peer.offsets(1), victim.offsets(1)) == ([1], [1])
        running.append(log, *[entry()] * 3)
        gap = peer.message()
        assert (gap["from"], gap["to"], gap["reason"]) == (f"{epoch}:1", f"{epoch}:3", "slow")
        assert victim.close_received() == (4213, "slow; overrun")
        running.plane.ack(conn, [(log, epoch, 3)])
        running.plane.flush()
        assert peer.offsets(1) == [4]


@pytest.mark.clause("S10", "S8")
def test_waiting_for_an_ack_is_no_stall() -> None:
    with Running(write_stall=0.1, answer_buffer=1 << 30) as running:
        conn, peer = running.connect()
        other, alive = running.connect()
        log = running.open_log()
        running.subscribe(conn, log, ack=1)
        running.subscribe(other, log)
        peer.subscribed()
        alive.subscribed()
        epoch, _ = running.append(log, *[entry()] * 2)
        assert (peer.offsets(1), alive.offsets(2)) == ([1], [1, 2])
        # The stall of somebody else shows that time enough has passed for one.
        stalled, _ = running.connect_tcp()
        for _ in range(60):
            running.plane.send(stalled, b'"' + b"x" * 100_000 + b'"')
        running.plane.flush()
        assert running.closed(stalled) == ((4213, "slow; nothing was read"), "slow")
        running.plane.ack(conn, [(log, epoch, 1)])
        running.plane.flush()
        assert peer.offsets(1) == [2]


@pytest.mark.clause("M26", "S10")
def test_subscribing_again_gives_another_window() -> None:
    with Running() as running:
        conn, peer, log, epoch = eight_behind_a_window(running, 4)
        assert peer.offsets(4) == [1, 2, 3, 4]
        running.subscribe(conn, log, ack=2, keep=True)
        assert (f"{epoch}:4", 4) == peer.subscribed()
        running.plane.ack(conn, [(log, epoch, 2)])
        nothing_more(running, conn, peer)
        running.plane.ack(conn, [(log, epoch, 4)])
        running.plane.flush()
        assert peer.offsets(2) == [5, 6]
        running.subscribe(conn, log, keep=True)
        assert (f"{epoch}:6", 2) == peer.subscribed()
        assert peer.offsets(2) == [7, 8]


@pytest.mark.parametrize("size", [0, 10_001])
def test_a_window_of_no_size_is_refused(size: int) -> None:
    with Running() as running:
        log = running.open_log()
        with pytest.raises(ValueError, match=f"1 to 10000 events were expected, {size} came"):
            running.subscribe(1, log, ack=size)
