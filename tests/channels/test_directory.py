from typing import Any

import pytest

from channels import directory as directories
from channels.channel import ChannelConfig, Retention
from channels.config import Catalog
from channels.directory import Directory, OpenLog
from channels.errors import LogUnavailable, Overloaded, UnknownChannel
from tests.support.plane import FakePlane

WALL = 1_000.0
SHORT = Retention(seconds=10.0)


class Held:
    """Whether idle logs must stay."""

    def __init__(self) -> None:
        self.channels: set[str] = set()

    def __call__(self, log: OpenLog) -> bool:
        return log.channel in self.channels


@pytest.fixture
def plane() -> FakePlane:
    return FakePlane()


def directory(plane: FakePlane, *, most: int = 100, held: Held | None = None) -> Directory:
    channels = [
        ChannelConfig("news", presence=True, retention=SHORT),
        ChannelConfig("plain"),
        ChannelConfig("room:*", presence=True, retention=SHORT),
        ChannelConfig("state:*", retention=Retention(10.0, last_per_key=True)),
        ChannelConfig("user:{sub}"),
    ]
    return Directory(plane, Catalog(channels), is_held=held or Held(), recovered=lambda log: None, most=most)


def append(plane: FakePlane, log: OpenLog, *, key: str | None = None, data: bytes = b"1", ts: float = WALL) -> None:
    plane.append(log.log, [("e", data, key, None, None, None)], ts)
    log.appended_at = ts


@pytest.mark.clause("C23", "C25")
def test_fixed_channels_and_their_companions_are_open_from_the_start(plane: FakePlane) -> None:
    logs = directory(plane)
    logs.open_fixed()
    assert [(log.channel, log.is_fixed) for log in logs] == [("news", True), ("news/presence", True), ("plain", True)]


@pytest.mark.clause("C23")
def test_a_channel_of_a_namespace_is_opened_when_it_is_first_used_and_once(plane: FakePlane) -> None:
    logs = directory(plane)
    before, first, again = logs.get("room:1"), logs.use("room:1"), logs.use("room:1")
    assert (before, first is again, first.companion, logs.namespace_channels) == (None, True, "room:1/presence", 1)


@pytest.mark.clause("C25", "M16")
def test_a_channel_whose_companion_would_have_too_long_a_name_has_none(plane: FakePlane) -> None:
    logs = directory(plane)
    assert [logs.use("room:" + "x" * n).companion is None for n in (50, 51)] == [False, True]


def test_a_name_that_is_no_channel_is_refused(plane: FakePlane) -> None:
    with pytest.raises(UnknownChannel, match="expected a configured channel, came 'nowhere'"):
        directory(plane).use("nowhere")


@pytest.mark.clause("L25")
def test_a_node_holds_a_bounded_number_of_channels_of_namespaces(plane: FakePlane) -> None:
    logs = directory(plane, most=2)
    logs.open_fixed()
    logs.use("room:1")
    logs.use("user:ann")
    with pytest.raises(
        Overloaded, match="expected at most 2 channels of namespaces on this node, came 'room:2'"
    ) as refusal:
        logs.use("room:2")
    assert (refusal.value.limit, logs.refused, len(logs)) == (2, 1, 5)


@pytest.mark.clause("C23", "L25")
def test_an_idle_channel_that_holds_nothing_is_forgotten_and_makes_room(plane: FakePlane) -> None:
    logs = directory(plane, most=1)
    logs.use("room:1")
    closed = logs.forget_idle(WALL)
    logs.use("room:2")
    assert (closed, [log.channel for log in plane.logs.values()]) == (1, ["room:2"])


@pytest.mark.clause("C23")
def test_a_fixed_channel_is_never_forgotten(plane: FakePlane) -> None:
    logs = directory(plane)
    logs.open_fixed()
    logs.use("news").subscriptions += 1
    logs.unfollow(logs.use("news"))
    assert (logs.forget_idle(WALL + 1e6), len(logs)) == (0, 3)


@pytest.mark.clause("C23")
def test_a_channel_that_is_followed_is_kept_and_forgotten_after_the_last_subscription(plane: FakePlane) -> None:
    logs = directory(plane)
    log = logs.use("room:1")
    log.subscriptions = 2
    closed = []
    for _ in range(2):
        closed.append(logs.forget_idle(WALL))
        logs.unfollow(log)
    closed.append(logs.forget_idle(WALL))
    assert closed == [0, 0, 1]


@pytest.mark.clause("C23")
def test_a_channel_that_holds_an_entry_is_kept_until_its_retention_is_over(plane: FakePlane) -> None:
    logs = directory(plane)
    append(plane, logs.use("room:1"))
    closed = []
    for now in (WALL + 5, WALL + 10.5):
        plane.sweep(now)
        closed.append(logs.forget_idle(now))
    assert closed == [0, 1]


@pytest.mark.clause("C23")
def test_a_channel_that_holds_an_entry_in_spite_of_its_age_is_kept(plane: FakePlane) -> None:
    logs = directory(plane)
    append(plane, logs.use("room:1"))
    assert logs.forget_idle(WALL + 11) == 0  # the plane was not swept: the entry is there


@pytest.mark.clause("C23", "L25")
def test_last_entries_of_keys_leave_with_the_retention_time_of_a_namespace(plane: FakePlane) -> None:
    """Kept for ever they would fill the node with channels that nobody follows."""
    logs = directory(plane, most=1)
    append(plane, logs.use("state:1"), key="k")
    closed = []
    for now in (WALL + 9, WALL + 11):
        plane.sweep(now)
        closed.append(logs.forget_idle(now))
    assert (closed, logs.use("state:2").channel) == ([0, 1], "state:2")


@pytest.mark.clause("C23")
def test_last_entries_of_keys_are_kept_while_somebody_follows(plane: FakePlane) -> None:
    logs = directory(plane)
    log = logs.use("state:1")
    append(plane, log, key="k")
    log.subscriptions += 1
    plane.sweep(WALL + 11)
    closed = [logs.forget_idle(WALL + 11)]
    logs.unfollow(log)
    assert [*closed, logs.forget_idle(WALL + 11)] == [0, 1]


@pytest.mark.clause("C25")
def test_a_channel_that_is_held_for_another_reason_is_kept(plane: FakePlane) -> None:
    held = Held()
    held.channels = {"room:1/presence"}
    logs = directory(plane, held=held)
    logs.use("room:1/presence")
    closed = [logs.forget_idle(WALL)]
    held.channels = set()
    closed.append(logs.forget_idle(WALL))
    assert closed == [0, 1]


def test_a_sweep_looks_at_a_bounded_number_of_idle_logs_and_comes_to_all_in_turn(plane: FakePlane) -> None:
    logs = directory(plane)
    append(plane, logs.use("room:0"))
    for i in range(1, 6):
        logs.use(f"room:{i}")
    assert [logs.forget_idle(WALL, most=3) for _ in range(3)] == [2, 3, 0]


class OnDisk(FakePlane):
    """Takes durable logs, too, and needs a millisecond to close any log."""

    clock = 0.0

    def open_log(self, channel: str, *, durable: bool = False, **options: Any) -> int:
        return super().open_log(channel, **options)

    def close_log(self, log: int) -> None:
        super().close_log(log)
        self.clock += 0.001


@pytest.mark.clause("C23")
def test_a_sweep_erases_files_for_a_few_milliseconds_at_a_time_and_comes_to_all_it_was_to_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directories, "SWEEP_SECONDS", 0.0075)
    plane = OnDisk()
    channels = [ChannelConfig("kept:*", retention=Retention(10.0, durable=True)), ChannelConfig("room:*")]
    logs = Directory(plane, Catalog(channels), is_held=Held(), recovered=lambda log: None, clock=lambda: plane.clock)
    for i in range(10):
        logs.use(f"room:{i}")
        logs.use(f"kept:{i}")
    closed = [logs.forget_idle(WALL, most=18)]
    while logs.is_sweeping:
        closed.append(logs.forget_more(WALL))
    assert (closed, logs.idle, logs.forget_more(WALL)) == ([8, 8, 2], 2, 0)


def test_a_channel_that_is_left_again_and_again_waits_once_for_being_forgotten(plane: FakePlane) -> None:
    logs = directory(plane)
    log = logs.use("room:0")
    for _ in range(5):
        log.subscriptions += 1
        logs.unfollow(log)
    logs.use("room:1")
    assert logs.forget_idle(WALL, most=2) == 2


class Asked(FakePlane):
    """Counts how often a log was asked for its figures."""

    asked = 0

    def log_info(self, log: int) -> dict[str, object]:
        self.asked += 1
        return super().log_info(log)


def test_a_log_is_not_asked_for_its_figures_before_its_retention_is_over() -> None:
    plane = Asked()
    logs = directory(plane)
    append(plane, logs.use("room:1"))
    asked = []
    for now in (WALL + 9, WALL + 11):
        logs.forget_idle(now)
        asked.append(plane.asked)
    assert asked == [0, 1]


@pytest.mark.clause("C23", "P1")
def test_a_channel_that_is_used_again_after_it_was_forgotten_begins_a_new_history(plane: FakePlane) -> None:
    logs = directory(plane)
    epochs = []
    for _ in range(2):
        epochs.append(logs.info(logs.use("room:1"))["epoch"])
        logs.forget_idle(WALL)
    assert epochs[0] != epochs[1]


def test_a_plane_that_has_stopped_is_an_unreachable_log(plane: FakePlane) -> None:
    logs = directory(plane)
    log = logs.use("room:1")
    plane.stop()
    with pytest.raises(LogUnavailable, match="the log of room:1 is unreachable"):
        logs.info(log)
    with pytest.raises(LogUnavailable, match="the log of room:2 is unreachable"):
        logs.use("room:2")
