"""Planted bugs: they change what resumes, and nothing else; a hub with one of them still serves everybody else."""

import os
from pathlib import Path
from typing import Any

import pytest

from channels.broker import SubscribeSpec
from tests.support.planted import BUGS, TAIL, Log, cut_tails, main, planted_specs

LOG = Log("bbbb1", first=5, head=9, noted=7)


def spec(start: Any) -> SubscribeSpec:
    return SubscribeSpec("verify:1", "all", "gap", start=start)


@pytest.mark.parametrize(
    ("bug", "start", "planted"),
    [
        ("off-by-one", ("at", "bbbb1", 6), ("at", "bbbb1", 7)),
        ("off-by-one", ("at", "bbbb1", 9), ("at", "bbbb1", 9)),
        ("duplicate", ("at", "bbbb1", 6), ("at", "bbbb1", 5)),
        ("duplicate", ("at", "bbbb1", 0), ("at", "bbbb1", 0)),
        ("head-first", ("at", "bbbb1", 6), ("at", "bbbb1", 7)),
        ("head-first", ("at", "aaaa1", 6), ("at", "aaaa1", 6)),
        ("gap-swallowed", ("at", "aaaa1", 6), ("last", 1 << 40)),
        ("gap-swallowed", ("at", "bbbb1", 3), ("last", 1 << 40)),
        ("gap-swallowed", ("at", "bbbb1", 4), ("at", "bbbb1", 4)),
        ("off-by-one", "new", "new"),
        ("duplicate", ("last", 3), ("last", 3)),
    ],
)
def test_a_bug_changes_the_starts_of_resumes(bug: str, start: Any, planted: Any) -> None:
    (changed,) = planted_specs(bug, [spec(start)], lambda _: LOG)
    assert changed == spec(planted)


def test_the_newest_file_of_each_log_loses_its_tail(tmp_path: Path) -> None:
    for number, name in enumerate(("a/1.log", "a/2.log", "b/1.log", "b/small.log", "b/manifest")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * (10 if "small" in name else 10_000))
        os.utime(path, (number, number))
    assert cut_tails(tmp_path) == 2
    sizes = {str(path.relative_to(tmp_path)): path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    assert sizes == {
        "a/1.log": 10_000,
        "a/2.log": 10_000 - TAIL,
        "b/1.log": 10_000 - TAIL,
        "b/small.log": 10,
        "b/manifest": 10_000,
    }


def test_a_bug_that_is_none_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boo"]) == 2
    assert f"expected one of {', '.join(BUGS)}, got 'boo'" in capsys.readouterr().err
