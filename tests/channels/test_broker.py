import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from channels import _native
from channels._native import PlaneError
from channels.backplane import Done, Result
from channels.backplane.memory import MemoryBackplane
from channels.broker import Broker, Position, Publication, Stored, SubscribeSpec
from channels.channel import DEFAULT_CHANNELS, ChannelConfig, Retention
from channels.config import Catalog
from channels.errors import LogUnavailable, MidConflict, Overloaded, ReadOnlyChannel, UnknownChannel
from channels.permissions import Right, Role
from tests.support.peers import PeerPlane, Peers
from tests.support.plane import FakePlane

WALL = 1_767_225_600.0
TRACEPARENT = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"
READERS = {Role.VIEWER: frozenset({Right.SUBSCRIBE})}
CHANNELS = (
    *DEFAULT_CHANNELS,
    ChannelConfig("room:*", READERS, retention=Retention(10.0), presence=True),
    ChannelConfig("state:*", READERS, retention=Retention(10.0, last_per_key=True)),
    ChannelConfig("quiet", READERS, trace=False),
)
PLANES: dict[str, Callable[[], PeerPlane]] = {"double": FakePlane, "native": lambda: _native.Plane(flush_ms=0.0)}


class Clock:
    """A clock that moves when it is told."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def follow(broker: Broker, subject: str | None, specs: Sequence[SubscribeSpec]) -> None:
    """As the hub does first; raises the first problem. A backplane in memory answers at once."""
    errors = broker.follow(subject, specs, lambda _: pytest.fail("expected an answer at once"))
    assert errors is not None
    for error in errors.values():
        raise error


class Running:
    """A broker over a plane, its peers and its clocks."""

    def __init__(self, plane: PeerPlane, **options: Any) -> None:
        self.plane = plane
        self.peers = Peers(plane)
        self.wall = Clock(WALL)
        self.clock = Clock(1_000.0)
        self.broker = Broker(plane, Catalog(CHANNELS), node="n1", wall=self.wall, monotonic=self.clock, **options)

    def subscribe(self, conn: int, *channels: str, subject: str | None = "ann", **options: Any) -> None:
        specs = [SubscribeSpec(channel, "all", "gap", **options) for channel in channels]
        separators = [b'},{"channel":"%s",' % channel.encode() for channel in channels[1:]]
        first = b'{"type":"subscribed","channels":[{"channel":"%s",' % channels[0].encode()
        follow(self.broker, subject, specs)
        self.broker.subscribe(conn, subject, specs, [first, *separators, b"}]}"])

    async def subscribed(self, conn: int, *channels: str, **options: Any) -> list[dict[str, Any]]:
        """Subscribe and wait for the answer. -> what it tells of each channel"""
        self.subscribe(conn, *channels, **options)
        answer = await self.peers.received(conn, 1)
        told: list[dict[str, Any]] = answer[0]["channels"]
        return told

    def sweep(self, seconds: float) -> None:
        self.wall.now += seconds
        self.clock.now += seconds
        self.broker.sweep(self.wall.now, self.clock.now)


@pytest.fixture(params=list(PLANES))
def plane(request: pytest.FixtureRequest) -> PeerPlane:
    return PLANES[request.param]()


@pytest.fixture
async def running(plane: PeerPlane) -> AsyncIterator[Running]:
    plane.start()
    running = Running(plane)
    await running.broker.start()
    yield running
    await running.broker.stop()
    running.peers.close()


def publication(channel: str = "actions", event: str = "e", data: bytes = b"1", **members: Any) -> Publication:
    return Publication(channel, event, data, **members)


# --- publishing -------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M30", "M44", "M45", "P1")
async def test_a_publish_reaches_every_subscriber_with_its_place_and_time(running: Running) -> None:
    conns = [running.peers.connect() for _ in range(3)]
    for conn in conns:
        await running.subscribed(conn, "actions")
    sent = publication("actions", "deploy", b'{"a":1}', key="api", tags=b'{"env":"prod"}', traceparent=TRACEPARENT)
    stored = await running.broker.publish(sent)
    event = {
        "type": "event",
        "channel": "actions",
        "offset": 1,
        "event": "deploy",
        "ts": WALL,
        "data": {"a": 1},
        "key": "api",
        "tags": {"env": "prod"},
        "traceparent": TRACEPARENT,
    }
    assert [await running.peers.received(conn, 1) for conn in conns] == [[event]] * 3
    assert (stored.position.endswith(":1"), stored.duplicate) == (True, False)


@pytest.mark.clause("N17")
async def test_in_memory_a_publish_is_answered_before_the_call_returns(running: Running) -> None:
    results: list[Result] = []
    running.broker.publish_nowait(publication(), results.append)
    running.broker.publish_nowait(publication(), results.append)
    offsets = [result.position.split(":")[1] for result in results if isinstance(result, Stored)]
    assert offsets == ["1", "2"]


@pytest.mark.clause("M31")
async def test_a_repeated_mid_is_answered_with_the_first_position(running: Running) -> None:
    sent = publication(subject="ann", mid="m1")
    first, again = await running.broker.publish(sent), await running.broker.publish(sent)
    assert again == Stored(first.position, duplicate=True)


@pytest.mark.clause("M31")
async def test_a_mid_with_other_content_is_refused(running: Running) -> None:
    await running.broker.publish(publication(subject="ann", mid="m1"))
    with pytest.raises(MidConflict):
        await running.broker.publish(publication(subject="ann", mid="m1", data=b"2"))


@pytest.mark.clause("E3", "E5")
async def test_a_publish_to_no_channel_is_refused(running: Running) -> None:
    with pytest.raises(UnknownChannel, match="expected a configured channel, came 'nowhere'"):
        await running.broker.publish(publication("nowhere"))


@pytest.mark.clause("C25")
async def test_nobody_publishes_to_a_companion(running: Running) -> None:
    with pytest.raises(ReadOnlyChannel, match="the hub alone writes the presence of room:1"):
        await running.broker.publish(publication("room:1/presence"))


@pytest.mark.clause("M17")
async def test_a_channel_may_be_configured_not_to_pass_on_traces(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "quiet")
    sent = publication("quiet", traceparent=TRACEPARENT, tracestate="a=1")
    await running.broker.publish(sent)
    (event,) = await running.peers.received(conn, 1)
    assert ("traceparent" in event, "tracestate" in event, sent.traceparent) == (False, False, TRACEPARENT)


async def test_a_caller_that_gave_up_waiting_hurts_nobody(running: Running) -> None:
    slow = SlowBackplane()
    broker = Broker(running.plane, Catalog([ChannelConfig("slow")]), node="n1", backplane=slow)
    await broker.start()
    waiting = asyncio.ensure_future(broker.publish(publication("slow")))
    await slow.asked.wait()
    waiting.cancel()
    slow.answer([Stored("k3Fq:1")])
    with pytest.raises(asyncio.CancelledError):
        await waiting


class SlowBackplane(MemoryBackplane):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    def append(self, channel: str, publications: Any, done: Done, batch_id: str | None = None) -> None:
        self.answer = done
        self.asked.set()


# --- the door ---------------------------------------------------------------------------------------------------------


@pytest.mark.clause("P1")
async def test_the_door_takes_batches_and_tells_the_position_of_the_last_entry(running: Running) -> None:
    entries = [(f"e{i}", b"1", None, None, None, None) for i in range(3)]
    positions = [running.broker.deliver("logs", entries), running.broker.deliver("logs", entries[:1])]
    assert [position.offset for position in positions] == [3, 4]
    assert positions[0].epoch == positions[1].epoch


@pytest.mark.clause("M34", "M44")
async def test_signals_come_through_the_same_door_as_one_native_batch(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "signals")
    system = _native.SignalSystem()
    system.wakeup_fd()  # from here on there is a consumer
    for kind in ("signal.input.text", "signal.input.voice"):
        system.emit(kind, [0.5] * 8, key="chat", tags={"env": "prod"})
    batch = system.take_batch()
    system.close()
    assert batch is not None
    position = running.broker.deliver("signals", batch)
    told = [
        (event["offset"], event["event"], event["key"], event["tags"], event["data"]["is_novel"])
        for event in await running.peers.received(conn, 2)
    ]
    assert told == [
        (1, "signal.input.text", "chat", {"env": "prod"}, True),
        (2, "signal.input.voice", "chat", {"env": "prod"}, False),
    ]
    assert position.offset == 2


async def test_what_one_turn_of_the_loop_delivers_is_flushed_once() -> None:
    plane = FakePlane()
    broker = Broker(plane, Catalog(), node="n1")
    await broker.start()
    for _ in range(5):
        await broker.publish(publication())
    before = plane.flushes
    await asyncio.sleep(0)
    await broker.stop()
    assert (before, plane.flushes) == (0, 1)
    plane.stop()


async def test_before_the_start_and_after_the_stop_nothing_is_taken(plane: PeerPlane) -> None:
    plane.start()
    running = Running(plane)
    for _ in range(2):
        with pytest.raises(LogUnavailable):
            await running.broker.publish(publication())
        with pytest.raises(LogUnavailable, match="the node is not running"):
            running.broker.deliver("actions", [])
        with pytest.raises(LogUnavailable, match="the node is not running"):
            running.subscribe(running.peers.connect(), "actions")
        await running.broker.start()
        await running.broker.stop()
    running.peers.close()


async def test_a_plane_that_refuses_is_an_unreachable_log() -> None:
    plane = FakePlane()
    running = Running(plane)
    await running.broker.start()
    conn = running.peers.connect()
    await running.subscribed(conn, "actions")
    plane.is_stopped = True
    with pytest.raises(LogUnavailable, match="the log of actions is unreachable"):
        await running.broker.publish(publication())
    with pytest.raises(LogUnavailable, match="no subscription is taken"):
        running.subscribe(conn, "logs")
    with pytest.raises(LogUnavailable, match="nothing can be unsubscribed"):
        running.broker.unsubscribe(conn, ["actions"])
    with pytest.raises(LogUnavailable, match="the log of actions is unreachable"):
        running.broker.history("actions")
    plane.is_stopped = False
    running.peers.close()


# --- subscriptions ----------------------------------------------------------------------------------------------------


@pytest.mark.clause("M9", "M24")
async def test_the_answer_tells_the_start_and_comes_before_the_first_event(running: Running) -> None:
    for _ in range(3):
        await running.broker.publish(publication())
    conn = running.peers.connect()
    running.subscribe(conn, "actions", "logs", start=("last", 2))
    answer, *events = await running.peers.received(conn, 3)
    told = [(one["channel"], one["position"].split(":")[1], one["behind"]) for one in answer["channels"]]
    assert (told, [event["offset"] for event in events]) == ([("actions", "1", 2), ("logs", "0", 0)], [2, 3])


@pytest.mark.clause("M26")
async def test_subscribing_again_keeps_the_cursor_and_counts_once(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "actions")
    await running.subscribed(conn, "actions", keep=True)
    await running.broker.publish(publication())
    (event,) = await running.peers.received(conn, 1)
    assert (event["offset"], subscribers(running, "actions")) == (1, 1)


@pytest.mark.clause("M9", "M28")
async def test_after_unsubscribed_no_event_of_the_channel_comes(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "actions", "logs")
    running.broker.unsubscribe(conn, ["actions", "status", "nowhere"], b'{"type":"unsubscribed"}')
    await running.broker.publish(publication("actions"))
    await running.broker.publish(publication("logs"))
    messages = await running.peers.received(conn, 2)
    assert [(message["type"], message.get("channel")) for message in messages] == [
        ("unsubscribed", None),
        ("event", "logs"),
    ]


async def test_a_closed_connection_follows_nothing(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "actions", "logs")
    running.broker.connection_closed(conn)
    running.broker.connection_closed(conn)
    assert (subscribers(running, "actions"), running.broker.statistics()["followers"]) == (0, 0)


@pytest.mark.clause("E3", "M23")
async def test_a_subscribe_that_is_refused_does_and_sends_nothing(running: Running) -> None:
    conn = running.peers.connect()
    with pytest.raises(UnknownChannel):
        running.subscribe(conn, "actions", "nowhere")
    await running.subscribed(conn, "logs")
    await running.broker.publish(publication("actions"))
    await running.broker.publish(publication("logs"))
    (event,) = await running.peers.received(conn, 1)
    assert (event["channel"], subscribers(running, "actions")) == ("logs", 0)


def proven(running: Running, channel: str, ahead: int) -> SubscribeSpec:
    """A resume from what a token of this hub says: `ahead` entries beyond the head."""
    status = running.broker.status(channel)
    assert status is not None
    epoch, _, head = status.position.partition(":")
    place = Position(epoch, int(head) + ahead)
    return SubscribeSpec(channel, "all", "gap", start=("at", *place), proof=place)


def resume(running: Running, *specs: SubscribeSpec) -> int:
    conn = running.peers.connect()
    separators = [b'},"%s":{' % spec.channel.encode() for spec in specs[1:]]
    first = b'{"type":"welcome","subscriptions":{"%s":{' % specs[0].channel.encode()
    follow(running.broker, "ann", specs)
    running.broker.subscribe(conn, "ann", specs, [first, *separators, b"}}}"])
    return conn


@pytest.mark.clause("N4", "P12")
async def test_a_proof_of_lost_entries_begins_another_history_once_and_everybody_is_told(running: Running) -> None:
    await running.broker.publish(publication("logs"))
    watcher = running.peers.connect()
    await running.subscribed(watcher, "actions", "logs")
    before = await running.broker.publish(publication("actions"))
    await running.peers.received(watcher, 1)
    conn = resume(running, proven(running, "actions", 1), proven(running, "logs", 0))
    (gap,) = await running.peers.received(watcher, 1)
    _, own = await running.peers.received(conn, 2)
    after = await running.broker.publish(publication("actions"))
    epoch = after.position.partition(":")[0]
    assert [one["to"] for one in (gap, own)] == [f"{epoch}:0"] * 2
    assert [one["reason"] for one in (gap, own)] == ["epoch", "epoch"]
    assert (before.position != after.position, after.position) == (True, f"{epoch}:1")
    assert running.broker.statistics()["epoch_rotations"] == 1


@pytest.mark.clause("N4", "P11")
async def test_a_bare_word_and_a_proof_of_another_history_change_no_log(running: Running) -> None:
    stored = await running.broker.publish(publication("actions"))
    ahead = proven(running, "actions", 5)
    resume(running, replace(ahead, proof=None))
    resume(running, replace(ahead, proof=Position("another", 5)))
    resume(running, replace(ahead, proof=proven(running, "actions", 0).proof))
    after = await running.broker.publish(publication("actions"))
    assert after.position == stored.position.partition(":")[0] + ":2"
    assert running.broker.statistics()["epoch_rotations"] == 0


@pytest.mark.clause("N4", "E3")
async def test_a_subscribe_that_is_refused_for_another_reason_rotates_nothing(plane: PeerPlane) -> None:
    plane.start()
    running = Running(plane, max_namespace_channels=1)
    await running.broker.start()
    spec = proven(running, "actions", 1)
    with pytest.raises(Overloaded):  # there is room for the channel and none for its companion
        resume(running, spec, SubscribeSpec("room:1", "all", "gap"))
    assert running.broker.statistics()["epoch_rotations"] == 0
    assert proven(running, "actions", 1) == spec
    await running.broker.stop()
    running.peers.close()


class Unrotatable(FakePlane):
    """Its disk does not let it begin another history."""

    def rotate_log(self, log: int) -> str:
        raise PlaneError("the disk is full")


@pytest.mark.clause("N4", "E3")
async def test_a_history_that_cannot_be_rotated_is_an_unreachable_log() -> None:
    plane = Unrotatable()
    plane.start()
    running = Running(plane)
    await running.broker.start()
    with pytest.raises(LogUnavailable, match="the log of actions is unreachable: the disk is full") as refusal:
        resume(running, proven(running, "actions", 1))
    assert (refusal.value.channel, subscribers(running, "actions")) == ("actions", 0)
    assert running.broker.statistics()["epoch_rotations"] == 0
    await running.broker.stop()
    running.peers.close()


@pytest.mark.clause("L25", "C25")
async def test_a_room_needs_its_log_and_its_companion_or_is_refused(plane: PeerPlane) -> None:
    plane.start()
    running = Running(plane, max_namespace_channels=3)
    await running.broker.start()
    conn = running.peers.connect()
    await running.subscribed(conn, "room:1")
    with pytest.raises(Overloaded):
        running.subscribe(conn, "room:2")
    assert running.broker.present("room:2") == []
    assert running.broker.statistics()["channels_refused"] == 1
    await running.broker.stop()
    running.peers.close()


# --- namespaces and presence ------------------------------------------------------------------------------------------


@pytest.mark.clause("C23")
async def test_a_room_is_made_by_its_first_publish_and_forgotten_when_nothing_is_left(running: Running) -> None:
    await running.broker.publish(publication("room:1"))
    sizes = []
    for seconds in (5.0, 6.0):
        running.sweep(seconds)
        sizes.append(running.broker.statistics()["namespace_channels"])
    assert sizes == [1, 0]


@pytest.mark.clause("C23", "L25")
async def test_a_namespace_that_keeps_the_last_of_each_key_is_forgotten_with_its_retention_too(
    running: Running,
) -> None:
    """What it holds for each key is the state of a channel that nobody follows and nobody writes to."""
    await running.broker.publish(publication("state:1", key="k"))
    kept = []
    for seconds in (5.0, 6.0):
        running.sweep(seconds)
        status = running.broker.status("state:1")
        kept.append(None if status is None else status.keys)
    assert (kept, running.broker.statistics()["namespace_channels"]) == ([1, None], 0)


@pytest.mark.clause("C23", "N17")
async def test_a_room_that_was_forgotten_and_is_used_again_has_a_new_epoch(running: Running) -> None:
    first = await running.broker.publish(publication("room:1"))
    running.sweep(11.0)
    again = await running.broker.publish(publication("room:1"))
    assert first.position != again.position


async def presence_of(running: Running, channel: str, **options: Any) -> int:
    """A connection that follows the companion of `channel`, anonymously."""
    conn = running.peers.connect()
    await running.subscribed(conn, channel + "/presence", subject=None, **options)
    return conn


@pytest.mark.clause("C25")
async def test_who_subscribes_first_joins_and_leaves_10_s_after_the_last_subscription(running: Running) -> None:
    watcher = await presence_of(running, "room:1")
    conns = [running.peers.connect() for _ in range(2)]
    for conn in conns:
        await running.subscribed(conn, "room:1")
    for conn in conns:
        running.broker.connection_closed(conn)
        running.sweep(9.9)
    running.sweep(0.1)
    join, leave = await running.peers.received(watcher, 2)
    told = [(event["event"], event["key"], event["data"]) for event in (join, leave)]
    assert told == [
        ("join", "ann", {"since": WALL, "connections": 1}),
        ("leave", "ann", {"since": WALL, "connections": 0}),
    ]
    assert leave["ts"] - join["ts"] == pytest.approx(19.9)


@pytest.mark.clause("C25")
async def test_who_resumes_within_10_s_was_never_away(running: Running) -> None:
    watcher = await presence_of(running, "room:1")
    for _ in range(2):
        conn = running.peers.connect()
        await running.subscribed(conn, "room:1")
        running.broker.unsubscribe(conn, ["room:1"])
        running.sweep(5.0)
    other = running.peers.connect()
    await running.subscribed(other, "room:1", subject="bob")
    events = await running.peers.received(watcher, 2)
    assert [(event["event"], event["key"]) for event in events] == [("join", "ann"), ("join", "bob")]


@pytest.mark.clause("C25")
async def test_subscribing_again_is_no_news(running: Running) -> None:
    conn = running.peers.connect()
    for _ in range(2):
        await running.subscribed(conn, "room:1")
    running.broker.unsubscribe(conn, ["room:1"])
    running.sweep(10.0)
    assert running.broker.present("room:1") == []


@pytest.mark.clause("C25", "S5", "S6")
async def test_a_snapshot_shows_who_is_present_and_nobody_who_has_left(running: Running) -> None:
    for subject in ("ann", "bob"):
        conn = running.peers.connect()
        await running.subscribed(conn, "room:1", subject=subject)
        if subject == "ann":
            running.broker.connection_closed(conn)
    running.sweep(10.0)
    watcher = running.peers.connect()
    spec = SubscribeSpec("room:1/presence", "latest", "gap", start="snapshot")
    running.broker.subscribe(watcher, None, [spec], [b"{", b"}"])
    _, event = await running.peers.received(watcher, 2)
    assert (event["event"], event["key"], running.broker.present("room:1")) == ("join", "bob", ["bob"])


@pytest.mark.clause("C25")
async def test_an_anonymous_subscriber_is_nobody_until_it_logs_in(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "room:1", subject=None)
    before = running.broker.present("room:1")
    for subject in ("ann", "ann"):
        running.broker.identity_changed(conn, subject)
    running.broker.identity_changed(999, "nobody follows anything here")
    assert (before, running.broker.present("room:1")) == ([], ["ann"])


@pytest.mark.clause("C25")
async def test_a_subscribe_of_another_subject_moves_what_the_connection_follows(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "room:1", subject="ann")
    await running.subscribed(conn, "room:2", subject="bob")
    running.sweep(10.0)
    assert [running.broker.present(room) for room in ("room:1", "room:2")] == [["bob"], ["bob"]]


@pytest.mark.clause("C25")
async def test_a_companion_is_open_as_long_as_somebody_is_present(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "room:1")
    running.sweep(100.0)
    held = running.broker.statistics()["namespace_channels"]
    running.broker.connection_closed(conn)
    for seconds in (10.0, 11.0):
        running.sweep(seconds)
    assert (held, running.broker.statistics()["namespace_channels"]) == (2, 0)


async def test_news_of_presence_that_cannot_be_stored_are_counted(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "room:1")
    await running.broker.stop()
    running.broker.connection_closed(conn)
    running.sweep(10.0)
    assert running.broker.statistics()["presence_untold"] == 1


# --- what operators see -----------------------------------------------------------------------------------------------


def subscribers(running: Running, channel: str) -> int:
    status = running.broker.status(channel)
    assert status is not None
    return status.subscribers


@pytest.mark.accept("B1", "H10")
async def test_all_configured_channels_are_listed_from_the_start(running: Running) -> None:
    await running.broker.publish(publication("room:1"))
    names = [config.name for config in CHANNELS if not config.name.endswith("*")]
    assert [status.name for status in running.broker.channels()] == [*names, "room:1"]
    assert len(running.broker.channels(limit=3)) == 3


@pytest.mark.accept("H10")
async def test_a_list_of_channels_is_chosen_from_before_it_is_cut(running: Running) -> None:
    for room in range(5):
        await running.broker.publish(publication(f"room:{room}"))
    shown = running.broker.channels(2, lambda config, owner: config.name == "room:*" and not owner)
    assert [status.name for status in shown] == ["room:0", "room:1"]
    assert running.broker.open_channels == running.broker.statistics()["logs"] > 5


async def test_a_status_tells_head_size_and_subscribers(running: Running) -> None:
    await running.subscribed(running.peers.connect(), "actions")
    stored = [await running.broker.publish(publication()) for _ in range(2)]
    status = running.broker.status("actions")
    assert status is not None
    assert (status.position, status.first, status.entries, status.appended, status.subscribers) == (
        stored[1].position,
        1,
        2,
        2,
        1,
    )
    assert status.bytes > 0


async def test_a_room_that_is_not_open_has_no_figures_and_no_channel_is_an_error(running: Running) -> None:
    assert running.broker.status("room:1") is None
    with pytest.raises(UnknownChannel):
        running.broker.status("nowhere")


@pytest.mark.accept("H10")
async def test_history_is_what_subscribers_were_told(running: Running) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "actions")
    for i in range(4):
        await running.broker.publish(publication(data=b"%d" % i))
    events = await running.peers.received(conn, 4)
    history = [json.loads(one) for one in running.broker.history("actions", after=1, limit=2)]
    assert history == events[1:3]


async def test_history_is_bounded(running: Running) -> None:
    running.broker.deliver("logs", [("e", b"1", None, None, None, None)] * 1_001)
    assert len(running.broker.history("logs", limit=5_000)) == 1_000


async def test_a_room_that_is_not_open_has_no_history_and_no_channel_is_an_error(running: Running) -> None:
    assert running.broker.history("room:1") == []
    with pytest.raises(UnknownChannel):
        running.broker.history("nowhere")


async def test_statistics_count_what_became_of_publishes(running: Running) -> None:
    for mid in (None, "m1", "m1"):
        await running.broker.publish(publication(subject="ann", mid=mid))
    statistics = running.broker.statistics()
    assert {name: statistics[name] for name in ("stored", "duplicates", "logs")} == {
        "stored": 2,
        "duplicates": 1,
        "logs": 7,
    }


@pytest.mark.clause("S12")
async def test_a_sweep_lets_old_entries_leave_and_forgets_mids(running: Running) -> None:
    await running.broker.publish(publication(subject="ann", mid="m1"))
    running.sweep(301.0)
    status = running.broker.status("actions")
    assert status is not None
    assert (status.entries, status.position.endswith(":1"), running.broker.statistics()["mids"]) == (0, True, 0)


async def test_a_publication_is_left_as_the_caller_made_it(running: Running) -> None:
    sent = publication("quiet", traceparent=TRACEPARENT)
    before = replace(sent)
    await running.broker.publish(sent)
    assert sent == before


async def test_a_failure_settles_what_stands_before_it_as_stored_and_touches_no_other_epoch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A rotation tells what failed in the former epoch: neither what was stored there nor what is in the new one."""
    kept = ChannelConfig("kept", READERS, retention=Retention(10.0, durable=True))
    plane = _native.Plane(data_dir=tmp_path)  # not started: nothing is stored by itself
    broker = Broker(plane, Catalog((*DEFAULT_CHANNELS, kept)), node="n1")
    await broker.start()
    settled: list[tuple[str, object]] = []

    def place(name: str) -> Position:
        entry = ("e", b"1", None, None, None, None)
        return broker.deliver("kept", (entry,), None, lambda error: settled.append((name, type(error))))

    epoch = place("one").epoch
    assert [place(name).offset for name in ("two", "three")] == [2, 3]
    (log,) = (log for log in broker._logs if log.channel == "kept")
    other = plane.rotate_log(log.log)
    assert place("four") == Position(other, 1)
    broker.durable.store_failed(log.log, epoch, 3, "another history began", is_uncertain=False)
    assert settled == [("one", type(None)), ("two", type(None)), ("three", LogUnavailable)]
    broker.durable.store_failed(log.log, epoch, 3, "told twice", is_uncertain=False)
    assert len(settled) == 3
    broker.durable.stored(log.log, other, 1)
    assert settled[3:] == [("four", type(None))]
    broker.durable.retain_failed(log.log, "00000000000000000001.log is missing")
    assert "kept keeps on disk" in caplog.text
    await broker.stop()
