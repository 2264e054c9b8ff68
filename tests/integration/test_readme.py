"""What the README of the client shows runs as it stands, with the token that it names."""

import re
import textwrap
from pathlib import Path

import pytest

from tests.support.hub import RunningHub

README = Path(__file__).parents[2] / "clients/python/README.md"


def test_the_client_without_await_does_what_a_developer_may(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(# Without `await`.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    calls, loop, _ = block.partition("    for event in hub.subscribe(")
    assert loop
    with RunningHub() as hub:
        monkeypatch.setenv("NG_TOKEN", hub.token("developer"))
        here = calls.replace("ws://localhost:8000/ws", hub.url)
        exec(textwrap.dedent(f"import os\nfrom neurograph_ws_client import SyncClient\n{here}"), {})
    assert re.fullmatch(r"(True|False) \d+\n", capsys.readouterr().out)
