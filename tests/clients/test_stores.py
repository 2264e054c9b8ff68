"""Positions that outlive a process."""

import asyncio
import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client import FileStore, NeurographWSClient, PositionStore
from neurograph_ws_client.stores import Saver


class Kept:
    """A store in memory that counts."""

    def __init__(self) -> None:
        self.saved: list[dict[str, str]] = []
        self.threads: set[str] = set()

    def load(self) -> Mapping[str, str]:
        return self.saved[-1] if self.saved else {}

    def save(self, positions: Mapping[str, str]) -> None:
        self.saved.append(dict(positions))
        self.threads.add(threading.current_thread().name)


def test_a_file_holds_what_was_saved_last_and_nothing_beside_it_is_left(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "bot.pos")
    assert store.load() == {}
    store.save({"logs": "aaaa:1"})
    store.save({"logs": "aaaa:2", "signals": "bbbb:9"})
    assert FileStore(tmp_path / "bot.pos").load() == {"logs": "aaaa:2", "signals": "bbbb:9"}
    assert [path.name for path in tmp_path.iterdir()] == ["bot.pos"]


def test_a_saved_file_and_then_its_name_are_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, list[str]]] = []

    def fsync(descriptor: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append((kind, [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]))

    monkeypatch.setattr(os, "fsync", fsync)
    FileStore(tmp_path / "bot.pos").save({"logs": "aaaa:1"})
    assert synced == [("file", []), ("directory", ["bot.pos"])]


def test_a_save_that_fails_leaves_the_old_positions(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "bot.pos")
    store.save({"logs": "aaaa:1"})
    with pytest.raises(TypeError):
        store.save({"logs": object()})  # type: ignore[dict-item]
    assert (store.load(), len(list(tmp_path.iterdir()))) == ({"logs": "aaaa:1"}, 1)


@pytest.mark.parametrize("text", ["{", "[]", '{"logs": "x"}', '{"logs": 3}'])
def test_a_file_that_holds_something_else_says_what_was_expected(tmp_path: Path, text: str) -> None:
    (tmp_path / "bot.pos").write_text(text)
    with pytest.raises(ValueError, match=r"bot\.pos: expected a JSON object of channels and positions, got") as fault:
        FileStore(tmp_path / "bot.pos").load()
    assert str(fault.value).count("positions, got") == 1


def test_a_file_that_holds_a_list_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bot.pos"
    path.write_text("[]")
    with pytest.raises(ValueError, match="FileStore") as fault:
        NeurographWSClient(positions=FileStore(path))
    assert str(fault.value) == f"FileStore: {path}: expected a JSON object of channels and positions, got []"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nope/bot.pos", "there is no directory {0}/nope"),
        ("file/bot.pos", "there is no directory {0}/file"),
        ("", "a directory"),
    ],
)
def test_a_file_that_could_never_be_written_is_refused_when_the_client_is_made(
    tmp_path: Path, name: str, what: str
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / name
    with pytest.raises(ValueError, match="FileStore") as fault:
        NeurographWSClient(positions=FileStore(path))
    expected = "FileStore: expected a file in a directory that can be written, got"
    assert str(fault.value) == f"{expected} {path}: {what.format(tmp_path)}"


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match=f"the directory {tmp_path} cannot be written"):
        FileStore(tmp_path / "bot.pos").load()


def test_a_save_that_the_disk_refuses_names_the_store_and_its_file(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "bot.pos"
    with pytest.raises(OSError, match="FileStore") as fault:
        FileStore(path).save({"logs": "aaaa:1"})
    assert str(fault.value) == f"FileStore: {path}: No such file or directory"


async def test_a_save_that_fails_is_told_once_and_again_only_when_it_changes() -> None:
    faults: list[Exception | None] = [OSError("full"), OSError("full"), LookupError("x"), None, OSError("full")]

    class Failing(Kept):
        def save(self, positions: Mapping[str, str]) -> None:
            if (fault := faults.pop(0)) is not None:
                raise fault
            super().save(positions)

    told: list[Exception] = []
    now = {"logs": "aaaa:1"}
    saver = Saver(Failing(), lambda: dict(now), told.append)
    for offset in range(5):
        now["logs"] = f"aaaa:{offset}"
        await saver.finish()
    start = "positions were not saved, which is tried again: "
    assert [str(error).removeprefix(start) for error in told] == ["full", "LookupError: x", "full"]


async def test_a_save_that_fails_is_logged_as_one_line(caplog: pytest.LogCaptureFixture) -> None:
    client = NeurographWSClient()
    saver = Saver(FileStore("/nope/x.pos"), lambda: {"logs": "aaaa:1"}, client._link.report)
    await saver.finish()
    (record,) = caplog.records
    told = "positions were not saved, which is tried again: FileStore: /nope/x.pos: No such file or directory"
    assert (record.getMessage(), record.exc_info) == (told, None)


@pytest.mark.clause("P2")
def test_a_position_that_is_none_is_refused_by_the_constructor() -> None:
    with pytest.raises(ValueError, match="expected a position like k3Fq:902, got 'soon'"):
        NeurographWSClient(positions={"logs": "soon"})


async def test_only_what_moved_is_saved_off_the_loop_and_once_more_at_the_end(monkeypatch: Any) -> None:
    monkeypatch.setattr("neurograph_ws_client.stores.EVERY", 0.01)
    store, now, saved = Kept(), {"logs": "aaaa:1"}, asyncio.Event()
    assert isinstance(store, PositionStore)

    def current() -> dict[str, str]:
        if store.saved:
            saved.set()
        return dict(now)

    saver = Saver(store, current, lambda error: None)
    saver.start()
    async with asyncio.timeout(5):
        await saved.wait()
    now["logs"] = "aaaa:2"
    await saver.finish()
    await saver.finish()
    assert store.saved == [{"logs": "aaaa:1"}, {"logs": "aaaa:2"}]
    assert [name for name in store.threads if not name.startswith("neurograph-positions")] == []
    assert [one.name for one in threading.enumerate() if one.name.startswith("neurograph-positions")] == []
