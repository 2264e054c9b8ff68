"""`ng-ws verify` against the real hub: one that it starts, and one that runs already."""

import json
from pathlib import Path

import pytest
from ng_ws.verify.checker import check
from ng_ws.verify.history import read

from tests.support.process import HubProcess
from tests.support.program import run
from tests.support.redis_kit import BINARY, needs_redis

# A campaign lasts its time, a hub its start, and a machine that is busy both twice.
PATIENCE = 100.0

SMALL = ("verify", "--clients", "7", "--publishers", "2", "--rate", "40", "--for", "4s", "--format", "json")


@pytest.mark.timeout(120)
async def test_a_campaign_against_a_hub_of_its_own_passes_and_its_history_judges_the_same(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    faults = ("--fault", "cut,stall,slow,kill", "--seed", "5", "--history", str(path))
    code, out, err = await run(*SMALL, *faults, patience=PATIENCE)
    told = json.loads(out)
    assert (code, told["verdict"], told["violations"], told["incomplete"]) == (0, "passed", {}, []), err
    assert told["acknowledged"] > 50
    assert (told["lost"], told["duplicates"], told["reordered"]) == (0, 0, 0)
    assert set(told["faults"]) == {"cut", "stall", "slow", "kill"}
    with path.open() as file:
        assert check(read(file)).has_passed


@needs_redis
@pytest.mark.accept("P7", "P8")
@pytest.mark.clause("N4", "N7", "N8")
@pytest.mark.timeout(150)
async def test_a_campaign_over_two_nodes_that_share_a_redis_passes(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    faults = ("--nodes", "2", "--redis-server", BINARY, "--fault", "kill,partition,failover,redis-empty")
    code, out, err = await run(*SMALL, *faults, "--for", "8s", "--seed", "5", "--history", str(path), patience=PATIENCE)
    told = json.loads(out)
    assert (code, told["verdict"], told["violations"], told["incomplete"]) == (0, "passed", {}, []), err
    assert set(told["faults"]) == {"kill", "partition", "failover", "redis-empty"}
    # What was lost with the empty Redis was told to all who were there.
    assert told["epochs_rotated"].get("redis-empty", 0) + told["epochs_rotated"].get("failover", 0) > 0
    assert all(times["max"] < 10_000 for times in told["told_ms"].values())
    with path.open() as file:
        heads = [line for line in read(file) if line.get("e") == "head"]
    assert {line["node"] for line in heads} == {1, 2}


@pytest.mark.timeout(120)
async def test_a_hub_that_runs_already_is_checked_beside_what_others_publish(tmp_path: Path) -> None:
    with HubProcess(tmp_path, NG_PORT="0", NG_DEV_FILE=str(tmp_path / "dev.json")) as hub:
        where = ("--url", f"ws://127.0.0.1:{hub.port}/ws", "--channels", "logs")
        what = (*SMALL, *where, "--fault", "rst,delay", "--seed", "5")
        code, out, err = await run(*what, patience=PATIENCE, NG_TOKEN=hub.tokens["admin"])
    told = json.loads(out)
    assert (code, told["verdict"]) == (0, "passed"), err
    assert told["handled"] > 0


@pytest.mark.parametrize("url", ["ws://localhost:9/ws", "http://127.0.0.1:9/ws"])
async def test_a_hub_that_cannot_be_reached_is_named_as_the_user_named_it(url: str) -> None:
    code, _, err = await run(*SMALL, "--url", url, "--channels", "logs", "--fault", "cut")
    assert code in {2, 5}, err
    assert url in err


async def test_a_role_that_may_not_publish_is_told_so(tmp_path: Path) -> None:
    with HubProcess(tmp_path, NG_PORT="0", NG_DEV_FILE=str(tmp_path / "dev.json")) as hub:
        where = ("--url", f"ws://127.0.0.1:{hub.port}/ws", "--channels", "metrics", "--fault", "none")
        code, _, err = await run(*SMALL, *where, patience=PATIENCE, NG_TOKEN=hub.tokens["viewer"])
    assert code == 4, err
    assert "viewer may not broadcast" in err or "403" in err


async def test_a_hub_that_does_not_start_says_why() -> None:
    code, _, err = await run(*SMALL, "--hub-command", "false")
    assert code == 1
    assert "the hub did not start (false)" in err


@needs_redis
async def test_nodes_that_do_not_start_leave_no_redis_behind() -> None:
    code, _, err = await run(*SMALL, "--nodes", "2", "--hub-command", "false")
    assert code == 1
    assert "the hub did not start (false)" in err


async def test_without_a_hub_it_says_that_it_cannot_connect() -> None:
    code, _, err = await run(*SMALL, "--url", "ws://127.0.0.1:9/ws", "--channels", "logs", "--fault", "none")
    assert code == 5, err
