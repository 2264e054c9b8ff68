"""Sessions over real connections: tokens, resumes, takeovers, windows, and nodes that go away."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels.permissions import Role
from hub.runtime import PATIENCE
from tests.support.hub import RunningHub
from tests.support.ws import MSGPACK, Peer, refused

Start = Callable[..., RunningHub]
BOARD: dict[str, Any] = {
    "board": {"subscribe": ["viewer", "anonymous"], "broadcast": ["bot"]},
    "wall": {"subscribe": ["viewer"], "broadcast": ["bot"], "delivery": "latest", "retention": {"last_per_key": True}},
}


@pytest.fixture
def hub(start: Start) -> RunningHub:
    return start(channels=BOARD, rate_publish="100000/100000", rate_default="10000/10000", rate_subscribe="1000/1000")


def publish(bot: Peer, number: int, channel: str = "board", **members: Any) -> str:
    """Publish 1 to `number`, numbered by their data. -> position of the last"""
    for data in range(1, number):
        bot.send({"type": "publish", "channel": channel, "event": "x", "data": data, **members})
    answer = bot.ask(type="publish", channel=channel, event="x", data=number, **members)
    position: str = answer["positions"][channel]
    return position


def token_of(peer: Peer) -> str:
    token: str = peer.ask(type="get_reconnection_token")["token"]
    return token


def data_of(events: list[dict[str, Any]]) -> list[Any]:
    return [event["data"] for event in events]


@contextmanager
def away(hub: RunningHub, **subscribe: Any) -> Iterator[tuple[str, Peer]]:
    """Somebody who followed `board` up to 3 and is gone, with his token; the bot is still there."""
    with Peer(hub, "bot") as bot:
        with Peer(hub, "viewer", subject="ann") as peer:
            peer.ask(type="subscribe", channel="board", **subscribe)
            publish(bot, 3)
            peer.events("board", 3)
            token = token_of(peer)
            peer.socket.socket.close()
        yield token, bot


@pytest.mark.clause("R3", "R5", "R8", "P3", "M9", "M42")
@pytest.mark.accept("E1", "E4", "E5")
@pytest.mark.parametrize("form", ["message", "url"])
def test_who_resumes_gets_what_he_missed_and_then_what_comes(hub: RunningHub, form: str) -> None:
    with away(hub) as (token, bot):
        publish(bot, 4)
        query = f"?reconnection_token={token}" if form == "url" else ""
        with Peer(hub, query=query) as peer:
            welcome = peer.welcome if form == "url" else peer.ask(type="connect", resume=token)
            assert (welcome["resumed"], welcome["user"], welcome["role"]) == (True, "ann", "viewer")
            assert welcome["subscriptions"]["board"]["behind"] == 4
            publish(bot, 2)
            assert data_of(peer.events("board", 6)) == [1, 2, 3, 4, 1, 2]
            assert peer.received[-1]["offset"] == 9


@pytest.mark.clause("R8", "P4")
def test_positions_of_the_client_say_exactly_where_it_goes_on(hub: RunningHub) -> None:
    with away(hub) as (token, bot):
        epoch = publish(bot, 2).partition(":")[0]
        with Peer(hub, subprotocols=(MSGPACK,)) as peer:
            welcome = peer.ask(type="connect", resume=token, positions={"board": f"{epoch}:2"})
            assert welcome["subscriptions"]["board"]["position"] == f"{epoch}:2"
            assert [event["offset"] for event in peer.events("board", 3)] == [3, 4, 5]


@pytest.mark.clause("R4", "R16")
def test_a_token_that_was_pushed_covers_what_was_sent_before_it(hub: RunningHub) -> None:
    with Peer(hub, "bot") as bot, Peer(hub, "viewer", subject="ann") as peer:
        token_of(peer)
        peer.ask(type="subscribe", channel="board")
        publish(bot, 5)
        pushed = peer.next("reconnection_token")
        seen = [message["offset"] for message in peer.received if message["type"] == "event"]
        with Peer(hub) as other:
            told = other.ask(type="connect", resume=pushed["token"])["subscriptions"]["board"]["position"]
        assert int(told.partition(":")[2]) <= len(seen)


@pytest.mark.clause("R9", "M48", "M49")
@pytest.mark.accept("E5")
def test_beyond_the_replay_cap_the_older_ones_are_told_as_one_gap(start: Start) -> None:
    hub = start(channels=BOARD, rate_publish="1000/1000", resume_events=5)
    with away(hub) as (token, bot):
        publish(bot, 12)
        with Peer(hub) as peer:
            epoch = peer.ask(type="connect", resume=token)["subscriptions"]["board"]["position"].partition(":")[0]
            gap = peer.next("gap")
            assert (gap["from"], gap["to"], gap["missed"], gap["reason"]) == (f"{epoch}:3", f"{epoch}:10", 7, "limit")
            assert data_of(peer.events("board", 5)) == [8, 9, 10, 11, 12]


@pytest.mark.clause("M25", "M48", "M49", "S12")
def test_what_the_log_no_longer_keeps_is_told_as_a_gap(start: Start) -> None:
    short = {"board": {**BOARD["board"], "retention": {"seconds": 300, "bytes": "1KiB"}}}
    hub = start(channels=short, rate_publish="1000/1000")
    with away(hub) as (token, bot):
        publish(bot, 40)
        with Peer(hub) as peer:
            peer.ask(type="connect", resume=token)
            gap = peer.next("gap")
            first = peer.events("board", 1)[0]["offset"]
            assert (gap["reason"], gap["missed"], gap["to"].partition(":")[2]) == (
                "retention",
                first - 4,
                str(first - 1),
            )


@pytest.mark.clause("P10", "P12", "N17", "R2")
def test_after_a_restart_the_token_still_opens_and_the_lost_past_is_told(start: Start) -> None:
    with away(start(channels=BOARD)) as (token, _):
        reborn = start(channels=BOARD)
        with Peer(reborn, "bot") as bot, Peer(reborn) as peer:
            last = publish(bot, 2)
            assert peer.ask(type="connect", resume=token)["resumed"] is True
            gap = peer.next("gap")
            assert (gap["reason"], gap["missed"], gap["to"]) == ("epoch", None, f"{last.partition(':')[0]}:0")
            assert data_of(peer.events("board", 2)) == [1, 2]


def restore(snapshot: Path, directory: Path) -> None:
    """Put back what a snapshot holds, into the files that were there: they came into being when they did."""
    for path in directory.rglob("*"):
        former = snapshot / path.relative_to(directory)
        if path.is_file() and former.is_file():
            path.write_bytes(former.read_bytes())
        elif path.is_file():
            path.unlink()


@pytest.mark.clause("N4", "P10", "P12", "M49", "R2")
def test_a_token_that_tells_of_more_than_a_restored_log_holds_begins_another_history(
    start: Start, tmp_path: Path
) -> None:
    """An older snapshot of the volume is restored: places of what came later were told, and are not given again."""
    now, snapshot = tmp_path / "now", tmp_path / "snapshot"

    def hub() -> RunningHub:
        kept = {"board": {**BOARD["board"], "retention": {"durable": True}}}
        return start(channels=kept, data_dir=now, fsync="always", rate_publish="1000/1000")

    first = hub()
    with Peer(first, "bot") as bot, Peer(first, "viewer", subject="ann") as ann:
        ann.ask(type="subscribe", channel="board")
        epoch = publish(bot, 3).partition(":")[0]
        shutil.copytree(now, snapshot)
        assert publish(bot, 2) == f"{epoch}:5"
        ann.events("board", 5)
        token = token_of(ann)
    first.stop()
    restore(snapshot, now)
    second = hub()
    with Peer(second, "bot") as bot, Peer(second, "viewer") as other, Peer(second) as ann:
        followed = other.ask(type="subscribe", channel="board", **{"from": {"last": 1}})["channels"]["board"]
        assert followed["position"] == f"{epoch}:2"
        other.events("board", 1)
        assert ann.ask(type="connect", resume=token)["resumed"] is True
        told = [(gap["reason"], gap["from"], gap["to"]) for gap in (other.next("gap"), ann.next("gap"))]
        fresh, _, offset = publish(bot, 2).partition(":")
        assert told == [("epoch", f"{epoch}:3", f"{fresh}:0"), ("epoch", f"{epoch}:5", f"{fresh}:0")]
        assert (fresh != epoch, offset) == (True, "2")
        for peer in (other, ann):
            assert [(event["offset"], event["data"]) for event in peer.events("board", 2)] == [(1, 1), (2, 2)]
    page = httpx.get(f"{second.http_url}/metrics").text
    assert 'neurograph_ws_epoch_rotations_total{channel="board",reason="token"} 1.0' in page
    second.stop()
    third = hub()
    with Peer(third, "bot") as bot, Peer(third) as ann:
        assert ann.ask(type="connect", resume=token)["resumed"] is True
        assert ann.next("gap")["to"] == f"{fresh}:0"
        assert publish(bot, 1) == f"{fresh}:3"


@pytest.mark.clause("R5", "R7", "C17")
@pytest.mark.accept("E1")
def test_a_channel_that_is_no_longer_allowed_is_not_replayed(hub: RunningHub) -> None:
    with Peer(hub, "bot") as bot, Peer(hub, "viewer", subject="ann") as peer:
        peer.ask(type="subscribe", channels=["board", "wall"])
        token = token_of(peer)
        assert hub.call(lambda inside: inside.connections.change_role(peer.welcome["conn"], Role.ANONYMOUS)) is True
        publish(bot, 1)
        publish(bot, 1, "wall")
        with Peer(hub) as other:
            welcome = other.ask(type="connect", resume=token)
            assert (welcome["role"], list(welcome["subscriptions"])) == ("anonymous", ["board"])
            assert welcome["errors"]["wall"]["code"] == 403
            assert data_of(other.events("board", 1)) == [1]


@pytest.mark.clause("R11", "R12", "X1")
def test_the_newest_resume_owns_the_session_and_the_former_one_is_closed_with_4009(hub: RunningHub) -> None:
    with Peer(hub, "viewer", subject="ann") as first:
        first.ask(type="subscribe", channel="board")
        token = token_of(first)
        with Peer(hub) as second:
            second.ask(type="connect", resume=token)
            assert first.closed() == (4009, "taken_over")
            with Peer(hub) as third:
                assert third.ask(type="connect", resume=token)["session"] == first.welcome["session"]
                assert second.closed() == (4009, "taken_over")
        sessions = [one["session"] for one in hub.call(lambda inside: inside.connections.snapshot())]
        assert sessions in ([], [first.welcome["session"]])


@pytest.mark.clause("R11", "R10")
def test_of_many_resumes_at_once_exactly_one_connection_remains(hub: RunningHub) -> None:
    with Peer(hub, "viewer", subject="ann") as first, ExitStack() as stack:
        first.ask(type="subscribe", channel="board")
        token = token_of(first)
        peers = [stack.enter_context(Peer(hub)) for _ in range(12)]
        threads = [threading.Thread(target=peer.send, args=({"type": "connect", "resume": token},)) for peer in peers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ends = {id(peer): peer.closed() for peer in [first, *peers] if not is_owner(hub, peer, first)}
        assert len(ends) == len(peers)
        assert set(ends.values()) == {(4009, "taken_over")}


def is_owner(hub: RunningHub, peer: Peer, first: Peer) -> bool:
    """Whether `peer` has the session once everybody has asked for it."""
    peer_answered = peer is first or peer.next("welcome", resumed=True)
    assert peer_answered
    while len(standing := hub.call(lambda inside: inside.connections.snapshot())) > 1:
        hub.call(lambda inside: inside.plane.flush())
    return bool(standing[0]["id"] == peer.welcome["conn"])


def resumed_after_close(hub: RunningHub, reason: str) -> Any:
    """The answer to a resume after the client itself has closed with 1000 and this reason."""
    with Peer(hub, "viewer", subject="ann") as peer:
        token = token_of(peer)
        peer.socket.close(1000, reason)
    with Peer(hub) as other:
        return other.ask(type="connect", resume=token)


@pytest.mark.clause("R15")
def test_a_client_that_forgets_leaves_no_token_behind(hub: RunningHub) -> None:
    assert resumed_after_close(hub, "forget")["error"] == "resume_revoked"


@pytest.mark.clause("C13", "R7")
def test_where_anonymous_access_is_off_an_anonymous_token_is_no_way_in(start: Start) -> None:
    secret = "s" * 16 + "0123456789abcdef"
    with Peer(start(token_keys=secret)) as peer:
        token = token_of(peer)
    with Peer(start(token_keys=secret, anonymous=False), reads=False) as other:
        assert other.ask(type="connect", resume=token)["error"] == "resume_revoked"


@pytest.mark.clause("R15", "C17")
def test_who_was_kicked_does_not_come_back_by_a_token(hub: RunningHub) -> None:
    with Peer(hub, "viewer", subject="ann") as peer:
        token = token_of(peer)
        assert hub.call(lambda inside: inside.connections.kick(peer.welcome["conn"])) is True
        assert peer.closed()[0] == 4010
    with Peer(hub) as other:
        assert other.ask(type="connect", resume=token)["error"] == "resume_revoked"


@pytest.mark.clause("R11")
def test_two_resumes_on_one_connection_leave_no_former_one_behind(hub: RunningHub) -> None:
    with Peer(hub, "viewer", subject="ann") as one, Peer(hub, "viewer", subject="ann") as two:
        tokens = [token_of(one), token_of(two)]
        with Peer(hub) as peer:
            peer.send(*[{"type": "connect", "resume": token} for token in tokens])
            assert (one.closed()[0], two.closed()[0]) == (4009, 4009)


@pytest.mark.clause("R15")
def test_a_token_outlives_a_close_with_1000(hub: RunningHub) -> None:
    assert resumed_after_close(hub, "bye")["resumed"] is True


@pytest.mark.clause("C9")
def test_a_reconnection_token_is_no_credential_and_a_credential_no_reconnection_token(hub: RunningHub) -> None:
    with Peer(hub, "viewer", subject="ann") as peer:
        token = token_of(peer)
        assert peer.ask(type="connect", token=token)["code"] == 401
        assert peer.ask(type="connect", resume=hub.token("viewer"))["code"] == 410


@pytest.mark.clause("C8")
def test_no_reconnection_token_shows_in_a_log(hub: RunningHub) -> None:
    with away(hub) as (token, _), Peer(hub, query=f"?reconnection_token={token}") as peer:
        assert peer.welcome["resumed"] is True
        assert token not in repr(hub.call(lambda _: list(hub.records)))


# --- starts -----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M24", "R14")
@pytest.mark.accept("E4")
def test_a_position_says_where_to_start_without_any_token(hub: RunningHub) -> None:
    with Peer(hub, "bot") as bot, Peer(hub, "viewer") as peer:
        epoch = publish(bot, 5).partition(":")[0]
        start = {"positions": {"board": f"{epoch}:3", "nowhere": f"{epoch}:1"}}
        told = peer.ask(type="subscribe", channels=["board", "status"], **{"from": start})
        assert told["channels"]["board"]["position"] == f"{epoch}:3"
        assert data_of(peer.events("board", 2)) == [4, 5]


@pytest.mark.clause("M24", "M45")
def test_since_starts_at_the_first_entry_of_that_time(hub: RunningHub) -> None:
    with Peer(hub, "bot") as bot, Peer(hub, "viewer") as peer:
        publish(bot, 2)
        peer.ask(type="subscribe", channel="board", **{"from": {"last": 1}})
        ts = peer.events("board", 1)[0]["ts"]
        peer.ask(type="subscribe", channel="board", **{"from": {"since": ts}})
        assert peer.events("board", 1)[0]["ts"] >= ts


@pytest.mark.clause("P2", "P11")
def test_a_position_beyond_the_head_is_a_gap_to_the_head_and_changes_no_log(hub: RunningHub) -> None:
    with Peer(hub, "bot") as bot, Peer(hub, "viewer") as peer:
        last = publish(bot, 2)
        beyond = f"{last.partition(':')[0]}:99"
        peer.ask(type="subscribe", channel="board", **{"from": {"positions": {"board": beyond}}})
        gap = peer.next("gap")
        assert (gap["from"], gap["to"], gap["reason"], gap["missed"]) == (beyond, last, "epoch", None)
        assert publish(bot, 1) == f"{last.partition(':')[0]}:3"
        refusal = peer.ask(type="subscribe", channel="board", **{"from": {"positions": {"board": "k3Fq:01"}}})
        assert (refusal["error"], refusal["path"]) == ("bad_position", "from.positions.board")
        for member in (5, None, ["k3Fq:1"]):
            refusal = peer.ask(type="connect", resume="x", positions={"board": member})
            assert (refusal["error"], refusal["path"]) == ("bad_position", "positions.board")


def is_blocked(hub: RunningHub, peer: Peer) -> bool:
    """The socket of `peer` takes nothing more, as far as the hub has noticed."""
    number = hub.call(lambda inside: inside.connections._numbers[peer.welcome["conn"]])
    figures = hub.call(lambda inside: inside.plane.connection_stats(number))
    return figures is not None and figures["blocked"] == 1


@pytest.mark.clause("N4", "P11", "R2")
def test_a_position_that_the_client_made_up_becomes_no_proof_in_its_token(start: Start) -> None:
    """Its subscription waits behind what its socket does not take, so the hub has not looked at the position yet."""
    big = {"subscribe": ["anonymous"], "broadcast": ["bot"], "retention": {"bytes": "64MiB"}}
    hub = start(channels={**BOARD, "big": big}, rate_publish="100000/100000")
    with Peer(hub, "bot") as bot, Peer(hub, "viewer") as other:
        other.ask(type="subscribe", channel="board")
        epoch = publish(bot, 5).partition(":")[0]
        for _ in range(500):
            bot.send({"type": "publish", "channel": "big", "event": "x", "data": "x" * 20_000})
        publish(bot, 1, "big")
        with Peer(hub) as liar:
            liar.send({"type": "subscribe", "id": 1_000, "channel": "big", "from": {"last": 1_000}})
            deadline = time.monotonic() + PATIENCE
            while not is_blocked(hub, liar):
                assert time.monotonic() < deadline
            made_up = {"positions": {"board": f"{epoch}:999999"}}
            liar.send({"type": "subscribe", "id": 1_001, "channel": "board", "from": made_up})
            liar.send({"type": "get_reconnection_token", "id": 1_002})
            token = liar.until(lambda message: message.get("id") == 1_002)["token"]
            liar.socket.socket.shutdown(socket.SHUT_RDWR)
        with Peer(hub) as liar:
            assert liar.ask(type="connect", resume=token)["resumed"] is True
            assert publish(bot, 1) == f"{epoch}:6"
            liar.socket.socket.shutdown(socket.SHUT_RDWR)
        assert hub.call(lambda inside: inside.broker.statistics()["epoch_rotations"]) == 0
        assert data_of(other.events("board", 6)) == [1, 2, 3, 4, 5, 1]
        assert [message for message in other.received if message["type"] == "gap"] == []


# --- windows and watermarks -------------------------------------------------------------------------------------------


@pytest.mark.clause("S10", "M36", "M42")
@pytest.mark.accept("E3")
def test_a_window_lets_so_many_events_through_and_an_ack_the_next(hub: RunningHub) -> None:
    with Peer(hub, "bot") as bot, Peer(hub, "viewer", subject="ann") as peer:
        told = peer.ask(type="subscribe", channel="board", ack=3)["channels"]["board"]
        assert told["ack"] == 3
        epoch = publish(bot, 8).partition(":")[0]
        assert data_of(peer.events("board", 3)) == [1, 2, 3]
        assert [message for message in peer.quiet() if message["type"] == "event"] == []
        peer.send({"type": "ack", "positions": {"board": f"{epoch}:2"}})
        assert data_of(peer.events("board", 2)) == [4, 5]


@pytest.mark.clause("S10", "R8")
@pytest.mark.accept("E3")
def test_what_was_not_acknowledged_is_delivered_again_after_a_resume(hub: RunningHub) -> None:
    with away(hub, ack=10) as (token, bot), Peer(hub) as peer:
        publish(bot, 1)
        peer.ask(type="connect", resume=token)
        assert data_of(peer.events("board", 4)) == [1, 2, 3, 1]


@pytest.mark.clause("P9", "M47")
def test_conflated_entries_are_told_by_a_watermark(hub: RunningHub) -> None:
    with Peer(hub, "bot") as bot, Peer(hub, "viewer") as peer:
        publish(bot, 2, "wall", key="k")
        removed = bot.ask(type="publish", channel="wall", event="x", data=None, key="gone")["positions"]["wall"]
        peer.ask(type="subscribe", channel="wall")
        assert peer.events("wall", 1)[0]["offset"] == 2
        assert peer.next("ack") == {"type": "ack", "positions": {"wall": removed}}


# --- going away -------------------------------------------------------------------------------------------------------


def leave(hub: RunningHub, slug: str, deadline: float) -> None:
    hub.await_(hub.hub.connections.leave(slug, (0.0, deadline), deadline))


@pytest.mark.clause("M50", "R4", "X1")
@pytest.mark.accept("A8")
def test_a_draining_hub_says_goaway_behind_a_fresh_token_and_closes_at_the_deadline(hub: RunningHub) -> None:
    with Peer(hub, "viewer", subject="ann") as holder, Peer(hub) as other:
        token_of(holder)
        leave(hub, "draining", 0.3)
        assert holder.closed() == (4301, "draining")
        assert other.closed() == (4301, "draining")
        kinds = [message["type"] for message in holder.received]
        assert kinds == ["welcome", "reconnection_token", "reconnection_token", "goaway"]
        goaway = other.received[-1]
        assert goaway == {"type": "goaway", "reason": "draining", "reconnect_in": [0.0, 0.3], "deadline": 0.3}
        assert refused(hub)[0] == 503


@pytest.mark.clause("M50", "M51", "R11", "P3")
def test_who_is_asked_to_go_opens_a_second_connection_first_and_loses_nothing(hub: RunningHub) -> None:
    with Peer(hub, "bot") as bot, Peer(hub, "viewer", subject="ann") as old:
        old.ask(type="subscribe", channel="board")
        epoch = publish(bot, 3).partition(":")[0]
        old.events("board", 3)
        token_of(old)
        leaving = threading.Thread(target=leave, args=(hub, "rebalance", 5.0))
        leaving.start()
        token = old.next("reconnection_token")["token"]
        assert old.next("goaway")["reason"] == "rebalance"
        with Peer(hub) as new:
            new.ask(type="connect", resume=token, positions={"board": f"{epoch}:3"})
            publish(bot, 2)
            assert data_of(new.events("board", 2)) == [1, 2]
            assert old.closed() == (4009, "taken_over")
            bot.socket.close()
            leaving.join(10)
            assert not leaving.is_alive()


@pytest.mark.clause("M50")
def test_who_stays_through_a_rebalance_is_closed_with_4302(hub: RunningHub) -> None:
    with Peer(hub) as peer:
        leave(hub, "rebalance", 0.1)
        assert peer.closed() == (4302, "rebalance")
        assert refused(hub)[0] == 101


@pytest.mark.clause("H1", "H3")
@pytest.mark.accept("A7")
def test_a_client_that_only_answers_pings_is_kept(start: Start) -> None:
    """A browser's tab in the background: its timers sleep, its network stack answers protocol PINGs by itself."""
    hub = start(heartbeat_interval=0.2, heartbeat_timeout=0.2, metrics_interval=0.5)
    with Peer(hub) as peer:
        peer.ask(type="subscribe", channel="metrics", delivery="all")
        moments = [peer.events("metrics", 1)[0]["ts"]]
        while moments[-1] - moments[0] < 2.0:  # five times what a dead peer is given
            moments.append(peer.events("metrics", 1)[0]["ts"])
        assert hub.call(lambda inside: len(inside.connections)) == 1
