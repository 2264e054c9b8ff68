"""The file of a run."""

import io
from pathlib import Path
from typing import Any

import pytest
from ng_ws.verify.checker import Checker
from ng_ws.verify.handled import Handled
from ng_ws.verify.history import History, HistoryError, digest, picked, read


def test_what_is_written_is_judged_and_reads_back(tmp_path: Path) -> None:
    judged: list[Any] = []
    file = io.StringIO()
    history = History(file, judged.append)
    history.write("fault", no=1, kind="cut", do="begun")
    history.journal("s1")({"t": 5, "conn": 1, "dir": "close", "code": 1006})
    lines = list(read(file.getvalue().splitlines()))
    assert lines == judged
    assert [line.get("kind", line.get("c")) for line in lines] == ["cut", "s1"]
    assert lines[0]["t"] <= lines[1]["t"]
    path = tmp_path / "history"
    path.write_text(file.getvalue())
    assert picked(path, [2, 9]) == {2: file.getvalue().splitlines()[1]}
    assert picked(path, []) == {}


def test_a_history_that_grows_too_large_ends_the_run() -> None:
    history = History(io.StringIO(), most=100)
    history.write("ack", id="p1-1")
    assert history.failure is None
    history.write("ack", id="p" * 100)
    assert "larger than it may be" in str(history.failure)


def test_what_cannot_be_judged_is_kept_and_nothing_is_written_after_it() -> None:
    file = io.StringIO()
    history = History(file, Checker().take)
    history.write("ack", id="p1-1")
    history.write("ack", id="p1-2", off=1, ep="aaaa1")
    assert isinstance(history.failure, KeyError)
    assert history.lines == 1


@pytest.mark.parametrize("text", ["", "[]", '{"e":"ack"}', '{"t":1}', '{"t":"1","e":"ack"}'])
def test_a_line_that_is_none_is_named(text: str) -> None:
    with pytest.raises(HistoryError, match="line 2: expected"):
        list(read(['{"t":1,"e":"run"}', text]))


def test_equal_values_have_equal_digests() -> None:
    assert digest({"a": 1, "b": [1.5, "ä"]}) == digest({"b": [1.5, "ä"], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_handled_offsets_are_found_with_their_lines_in_whatever_order_they_came() -> None:
    handled = Handled()
    for line, offset in enumerate((5, 9, 7, 1), 1):
        handled.add(offset, line)
    assert [handled.line_of(offset) for offset in (1, 5, 6, 7, 9, 10)] == [4, 1, 0, 3, 2, 0]
    assert handled.last == 9
