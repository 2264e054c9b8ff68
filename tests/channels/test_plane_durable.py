"""Durable logs as Python drives them: places at once, visible when written, and there again in the next run."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from channels._native import EVENT_STORE_FAILED, EVENT_STORED, Plane, PlaneError, PlaneOverloaded
from tests.support.plane_peer import Running, entry


@contextmanager
def run(directory: Path, **settings: Any) -> Iterator[Running]:
    with Running(data_dir=directory, **settings) as running:
        yield running


def open_log(running: Running, channel: str = "room:A/1", **options: Any) -> int:
    return running.open_log(channel, durable=True, **options)


def stored(running: Running, log: int, offset: int) -> None:
    """Wait until everything up to `offset` is told as stored."""
    epoch = running.plane.log_info(log)["epoch"]
    running.event(lambda event: event == (0, EVENT_STORED, log, (epoch, offset)))


def failed(running: Running, log: int) -> tuple[int, str, bool]:
    event = running.event(lambda event: event[1:3] == (EVENT_STORE_FAILED, log))
    epoch, first, text, is_uncertain = cast("tuple[str, int, str, bool]", event[3])
    assert epoch == running.plane.log_info(log)["epoch"]
    return first, text, is_uncertain


@contextmanager
def file_size(most: int) -> Iterator[None]:
    """No file of this process grows beyond `most` bytes: what a full disk does to a writer."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.clause("P1")
@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
def test_entries_and_epoch_are_there_again_and_offsets_go_on(tmp_path: Path, fsync: str) -> None:
    with run(tmp_path, fsync=fsync) as running:
        log = open_log(running)
        running.plane.append(log, [entry(b"[1]", key="k"), entry(b"2")], 5.0, [b"mark", None])
        epoch, first = running.append(log, entry(b"3"), ts=6.0)
        stored(running, log, 3)
        before = running.plane.read_log(log, 0)
        assert first == 3
    with run(tmp_path, fsync=fsync) as running:
        assert running.plane.durable_channels() == ["room:A/1"]
        log = open_log(running)
        assert running.plane.read_log(log, 0) == before
        assert running.plane.log_info(log)["epoch"] == epoch
        assert running.plane.recovered_marks(log) == [(1, 5.0, b"mark")]
        assert (running.plane.recovered_marks(log), running.plane.recovery_notes(log)) == ([], [])
        assert running.append(log, entry(b"4")) == (epoch, 4)
        stored(running, log, 4)


@pytest.mark.clause("M42")
def test_nothing_is_visible_before_it_is_written(tmp_path: Path) -> None:
    with run(tmp_path) as running:
        log = open_log(running)
        # Nobody has told the thread to write.
        assert running.plane.append(log, [entry()], 1.0)[1] == 1
        info = running.plane.log_info(log)
        assert (info["head"], info["placed"], running.plane.read_log(log, 0)) == (0, 1, [])
        conn, peer = running.connect()
        running.subscribe(conn, log)  # whose flush tells it, too
        assert peer.subscribed()[0].endswith(":0")
        assert peer.offsets(1) == [1]
        stored(running, log, 1)
        info = running.plane.log_info(log)
        assert (info["head"], info["placed"]) == (1, 1)


@pytest.mark.clause("E3")
def test_what_finds_no_room_is_told_gone_and_its_place_is_given_again(tmp_path: Path) -> None:
    with run(tmp_path) as running:
        log, other = open_log(running), open_log(running, "other")
        running.append(log, entry(b"1"))
        stored(running, log, 1)
        with file_size(600):
            running.append(log, entry(b'"' + b"x" * 4_000 + b'"'), entry())
            first, text, is_uncertain = failed(running, log)
            running.append(other, entry())
            stored(running, other, 1)
        assert (first, is_uncertain) == (2, False)
        assert "too large" in text
        epoch, first = running.append(log, entry(b"2"))
        assert first == 2
        stored(running, log, 2)
        assert cast("Any", running.plane.stats()["durable"])["failures"] == 1
    with run(tmp_path) as running:
        log = open_log(running)
        assert running.plane.log_info(log)["epoch"] == epoch
        assert [orjson.loads(text)["data"] for text in running.plane.read_log(log, 0)] == [1, 2]


@pytest.mark.clause("E4")
def test_a_log_that_could_not_be_written_is_looked_at_again(tmp_path: Path) -> None:
    with run(tmp_path) as running:
        log = open_log(running)
        running.append(log, entry())
        stored(running, log, 1)
        with file_size(600):
            running.append(log, entry(b'"' + b"x" * 4_000 + b'"'))
            failed(running, log)
            running.plane.sweep(1.0)
        running.plane.sweep(2.0)
        stored(running, log, 1)
        assert not list(tmp_path.rglob("probe*"))


def test_more_than_may_wait_is_refused_and_counted(tmp_path: Path) -> None:
    with run(tmp_path, log_queue=3) as running:
        log = open_log(running)
        running.plane.append(log, [entry(), entry()], 1.0)
        with pytest.raises(PlaneOverloaded, match=r"2 entries .* wait to be written already"):
            running.plane.append(log, [entry(), entry()], 1.0)
        running.append(log, entry())
        stored(running, log, 3)
        figures = cast("Any", running.plane.stats()["durable"])
        assert (figures["refused"], figures["records"], figures["waiting"]) == (2, 3, 0)


def test_a_data_directory_serves_one_plane_at_a_time(tmp_path: Path) -> None:
    with run(tmp_path), pytest.raises(PlaneError, match="another hub works with it"):
        Plane(data_dir=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaneError, match="file"):
        Plane(data_dir=tmp_path / "file")
    with run(tmp_path / "made" / "here"):
        assert (tmp_path / "made" / "here").is_dir()


def test_a_durable_log_needs_a_data_directory() -> None:
    with Running() as running, pytest.raises(ValueError, match="a plane with a data_dir was expected"):
        open_log(running)


@pytest.mark.clause("C23")
def test_a_log_that_is_closed_takes_its_files_along(tmp_path: Path) -> None:
    with run(tmp_path) as running:
        log = open_log(running)
        epoch, _ = running.append(log, entry())
        stored(running, log, 1)
        running.plane.close_log(log)
        assert running.plane.durable_channels() == []
        again = open_log(running)
        assert running.plane.log_info(again)["epoch"] != epoch


@pytest.mark.clause("S6", "S12")
def test_the_newest_of_each_key_outlives_the_files_it_stood_in(tmp_path: Path) -> None:
    options: dict[str, Any] = {"seconds": 1e9, "max_bytes": 65_536, "last_per_key": True}
    with run(tmp_path, log_segment=65_536) as running:
        log = open_log(running, **options)
        running.append(log, entry(b'"old"', key="k"))
        for _ in range(10):
            running.append(log, entry(b'"' + b"x" * 50_000 + b'"', key="busy"))
        stored(running, log, 11)
        running.plane.sweep(10.0)
        running.until_durable("segments_removed", 4)
    with run(tmp_path, log_segment=65_536) as running:
        log = open_log(running, **options)
        info = running.plane.log_info(log)
        assert (info["head"], info["keys"]) == (11, 2)
        assert cast("int", info["disk_bytes"]) < 200_000
        conn, peer = running.connect()
        running.subscribe(conn, log, "snapshot", delivery="latest")
        peer.subscribed()
        assert peer.offsets(2) == [1, 11]


@pytest.mark.clause("P10")
def test_a_damaged_file_ends_the_epoch_and_is_told(tmp_path: Path) -> None:
    with run(tmp_path) as running:
        log = open_log(running, "logs")
        epoch, _ = running.append(log, entry(), entry())
        stored(running, log, 2)
    (segment,) = (tmp_path / "logs" / "logs").glob("*.log")
    damaged = bytearray(segment.read_bytes())
    damaged[-1] ^= 1
    segment.write_bytes(damaged)
    with run(tmp_path) as running:
        log = open_log(running, "logs")
        info = running.plane.log_info(log)
        assert (info["head"], info["epoch"] == epoch) == (1, False)
        assert [kind for kind, _ in running.plane.recovery_notes(log)] == ["damage"]
        figures = cast("Any", running.plane.stats()["durable"])
        assert figures["epoch_rotations"] == {"power_loss": 0, "damage": 1, "apart": 0}
        assert (figures["carried"], figures["set_aside"]) == (1, 1)
    (aside,) = (tmp_path / "logs" / "logs.damaged").glob("*.log")
    assert aside.read_bytes() == damaged


@pytest.mark.clause("P1", "P10")
def test_a_channel_that_was_not_kept_for_a_time_goes_on_in_another_epoch(tmp_path: Path) -> None:
    with run(tmp_path) as running:
        log = open_log(running)
        before, _ = running.append(log, entry(b"1"))
        stored(running, log, 1)
    with run(tmp_path) as running:
        assert running.plane.durable_channels() == ["room:A/1"]
        running.plane.leave_durable_log("room:A/1")
    with run(tmp_path) as running:
        log = open_log(running)
        info = running.plane.log_info(log)
        assert (info["epoch"] != before, info["head"]) == (True, 1)
        assert [kind for kind, _ in running.plane.recovery_notes(log)] == ["apart"]
        durable = cast("dict[str, Any]", running.plane.stats()["durable"])
        assert durable["epoch_rotations"] == {"power_loss": 0, "damage": 0, "apart": 1}
    with Running() as running, pytest.raises(ValueError, match="data_dir was expected"):
        running.plane.leave_durable_log("room:A/1")
