"""What `ng-ws verify` may be asked for."""

from pathlib import Path

import pytest
from ng_ws.exits import Exit, Failed
from ng_ws.settings import Format, Settings
from ng_ws.verify.checker import Outcome
from ng_ws.verify.command import Asked, exit_of, planned
from ng_ws.verify.figures import Figures
from ng_ws.verify.hub_process import command_of
from ng_ws.verify.rules import Findings
from ng_ws.verify.schedule import ALONE, EVERYWHERE, KINDS


@pytest.fixture(autouse=True)
def no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NG_URL", raising=False)


def asked(
    *,
    channels: list[str] | None = None,
    clients: int = 5,
    rate: float = 10.0,
    duration: str = "10s",
    seeds: list[int] | None = None,
    faults: list[str] | None = None,
    starts_hub: bool = False,
    hub_command: str | None = None,
    nodes: int = 1,
    redis_server: str | None = None,
) -> Asked:
    how = (starts_hub, hub_command, None, nodes, redis_server)
    return Asked(clients, 2, channels, rate, duration, seeds, faults, *how)


def settings(url: str = "ws://localhost:8000/ws") -> Settings:
    return Settings(url=url, format=Format.JSON, timeout=5.0)


def test_without_a_url_it_starts_a_hub_with_every_fault() -> None:
    plan = planned(settings(), asked(), is_named=False)
    assert (plan.starts_hub, plan.channels, plan.faults) == (True, ("verify:1", "verify:2"), ALONE)
    assert len(plan.seeds) == 1


def test_nodes_that_share_a_redis_get_its_faults_too() -> None:
    plan = planned(settings(), asked(nodes=3, redis_server="/opt/redis-server"), is_named=False)
    assert (plan.nodes, plan.redis_server, plan.faults) == (3, "/opt/redis-server", tuple(KINDS))
    assert planned(settings(), asked(nodes=2, faults=["failover"]), is_named=False).faults == ("failover",)


def test_a_hub_on_this_machine_gets_the_faults_that_need_no_hub_of_ours() -> None:
    plan = planned(settings(), asked(channels=["a,b", "c"]), is_named=True)
    assert (plan.starts_hub, plan.channels, plan.faults) == (False, ("a", "b", "c"), EVERYWHERE)


def test_a_hub_elsewhere_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NG_URL", "wss://hub.example/ws")
    assert planned(settings("wss://hub.example/ws"), asked(channels=["a"]), is_named=False).faults == ()


def test_seeds_and_faults_are_taken_as_named() -> None:
    plan = planned(settings(), asked(seeds=[3, 1, 3], faults=["cut,slow", "cut"], channels=["4"]), is_named=False)
    assert (plan.seeds, plan.faults, len(plan.channels)) == ((3, 1), ("cut", "slow"), 4)
    assert planned(settings(), asked(faults=["none"]), is_named=False).faults == ()


@pytest.mark.parametrize(
    ("options", "is_named", "message"),
    [
        ({"faults": ["boo"]}, False, "--fault: expected cut, rst"),
        ({"faults": ["kill"], "channels": ["a"]}, True, "expected a hub of our own for kill"),
        (
            {},
            True,
            "--channels: expected names of channels, because --url or NG_URL names a hub",
        ),
        ({"channels": ["3"]}, True, "--channels: expected names"),
        ({"channels": ["65"]}, False, "--channels: expected names, or 1 to 64"),
        ({"duration": "2h"}, False, "--for: expected a time from 500ms to 1h"),
        ({"clients": 2000, "rate": 1e6}, False, "at most 10,000,000 handled entries"),
        ({"clients": 1, "rate": 1e5}, False, "at most 500,000 published entries"),
        ({"starts_hub": True}, True, "--start-hub and --url: expected one of them"),
        ({"hub_command": "x", "channels": ["a"]}, True, "--hub-command: expected a hub of our own"),
        ({"nodes": 2, "channels": ["a"]}, True, "--nodes: expected hubs of our own"),
        ({"redis_server": "x"}, False, "--redis-server: expected --nodes 2 or more"),
        ({"faults": ["flush"]}, False, "--fault: expected --nodes 2 or more for flush"),
        ({"faults": ["flush"], "channels": ["a"]}, True, "expected hubs of our own, --nodes 2 or more, for flush"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_expected(
    options: dict[str, object], is_named: bool, message: str
) -> None:
    with pytest.raises(Failed, match=message) as caught:
        planned(settings(), asked(**options), is_named=is_named)  # type: ignore[arg-type]
    assert caught.value.exit_code is Exit.USAGE


def test_faults_far_away_are_refused() -> None:
    with pytest.raises(Failed, match="expected a hub on this machine for cut"):
        planned(settings("wss://hub.example/ws"), asked(channels=["a"], faults=["cut"]), is_named=True)


def test_the_hub_is_found_beside_the_interpreter_or_named() -> None:
    assert command_of("sh -c 'my hub'") == ["sh", "-c", "my hub"]
    assert Path(command_of(None)[0]).name == "neurograph-hub"


def test_a_hub_command_is_found_from_where_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/hub").touch(0o755)
    monkeypatch.chdir(tmp_path)
    assert command_of("bin/hub --x a/b") == [str(tmp_path / "bin/hub"), "--x", "a/b"]


@pytest.mark.parametrize(
    ("given", "told"),
    [("a 'b", "No closing quotation"), ("  ", "got nothing"), ("/nope -x", "can be started, got '/nope'")],
)
def test_a_hub_command_that_is_none_is_told(given: str, told: str) -> None:
    with pytest.raises(Failed, match=told):
        command_of(given)


def test_a_violation_outweighs_an_incomplete_run() -> None:
    broken = Findings()
    broken.add("V3", "twice")
    violated = Outcome(broken, (), Figures())
    incomplete = Outcome(Findings(), ("nobody subscribed",), Figures())
    passed = Outcome(Findings(), (), Figures())
    assert exit_of([passed, incomplete, violated]) is Exit.DATA_LOST
    assert exit_of([passed, incomplete]) is Exit.UNEXPECTED
    assert exit_of([passed, passed]) is Exit.OK
