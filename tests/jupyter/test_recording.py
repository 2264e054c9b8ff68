"""What `--path` keeps."""

from pathlib import Path
from typing import Any

import pytest
from neurograph_jupyter import NotebookError
from neurograph_jupyter.recording import Recording
from neurograph_ws_client import Event, Gap
from ng_ws.recordings.form import recorded


def event(offset: int, data: Any = None) -> Event[Any]:
    return Event({"channel": "c", "event": "e", "offset": offset, "ts": float(offset), "data": data}, "ep")


@pytest.mark.accept("J11")
def test_a_recording_is_read_back_and_written_on_in_the_form_of_ng_ws(tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    first = Recording(file, "ws://h/ws")
    for item in (event(1, {"a": "line\u2028"}), Gap("c", "ep:1", "ep:3", 2, "slow"), event(4), event(4)):
        first.add(item)
    first.close()
    again = Recording(file, "ws://h/ws")
    again.add(event(1))
    again.add(event(5))
    assert [one.offset for one in again.past("c")] == [1, 4, 5]
    assert (again.past("c")[0].data, again.past("other")) == ({"a": "line\u2028"}, [])
    again.close()
    assert [(one.position, one.gap is None) for one in recorded(file)] == [
        ("ep:1", True), (None, False), ("ep:4", True), ("ep:5", True),
    ]  # fmt: skip


def test_a_recording_stays_within_its_bounds_and_says_what_it_left_out(tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    recording = Recording(file, "ws://h/ws", most=400)
    for offset in range(20):
        recording.add(event(offset))
    recording.close()
    recording.add(event(99))
    assert file.stat().st_size <= 400
    assert recording.left_out == 20 - len(list(recorded(file))) + 1
    assert repr(recording) == f"<Recording session.jsonl 21 events, {recording.left_out} left out>"


def test_a_file_that_is_no_recording_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine\n")
    with pytest.raises(NotebookError, match=r"expected a recording, or a file to write: .*expected a JSON object"):
        Recording(file, "ws://h/ws")
    assert file.read_text() == "mine\n"
    with pytest.raises(NotebookError, match="No such file or directory"):
        Recording(tmp_path / "none" / "x", "ws://h/ws")
