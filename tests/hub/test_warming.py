"""The window after a restart (signals.md 4)."""

from pathlib import Path

import pytest

from tests.support.hub import RunningHub
from tests.support.rest import Rest

SIGNAL = {"event_type": "signal.input.text", "vector": [0.5] * 8}


def emitted(directory: Path, most: int) -> bool:
    channels = {"signals": {"retention": {"durable": True}}}
    with RunningHub(data_dir=directory, channels=channels, signal_warm=most) as hub, Rest(hub, "bot") as bot:
        bot.post("/api/v1/tokens", {"vector": [0.9] * 8})
        novel: bool = bot.post("/api/v1/emit", SIGNAL).data["is_novel"]
        return novel


@pytest.mark.parametrize(("most", "expected"), [(0, [True, True]), (100, [True, False])])
def test_what_the_log_still_holds_is_not_new_after_a_restart(tmp_path: Path, most: int, expected: list[bool]) -> None:
    assert [emitted(tmp_path, most) for _ in range(2)] == expected
