"""What time does to the parts of a hub: each by itself."""

from typing import Any

import pytest

from hub.config import Settings
from hub.hub import Hub
from hub.sweeps import Sweeps


class Fails:
    """A part that does nothing right, nor do parts of it."""

    def __getattr__(self, _name: str) -> Any:
        return self

    def __call__(self, *_: Any) -> None:
        raise RuntimeError("a mistake of a test")


PARTS = [
    "broker",
    "connections",
    "authenticator",
    "auth_buckets",
    "publish_rates",
    "resumption",
    "actions",
    "status_reporter",
]


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_fails_keeps_no_other_from_its_turn_and_the_hub_from_no_end(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(Settings(dev_file=None, port=0))
    swept, ended = [], []
    for name in PARTS:
        if name not in (part, "connections"):
            method = "report_changes" if name == "status_reporter" else "sweep"
            monkeypatch.setattr(getattr(hub, name), method, lambda *_, name=name: swept.append(name))
    monkeypatch.setattr(hub, part, Fails())
    monkeypatch.setattr(type(hub.health), "is_live", False)
    monkeypatch.setattr(hub, "on_fatal", lambda: ended.append("told"))
    Sweeps(hub).run()
    assert swept == [name for name in PARTS if name not in (part, "connections")]
    assert ended == ["told"]
    assert hub.counters.values["errors"]["internal", "report"] >= 1
