"""`ng-ws bench`: bounded load, open loop, and figures with their circumstances."""

import json
from collections.abc import Iterator

import pytest
from neurograph_ws_client import Limits
from neurograph_ws_client.testing import FakeHub
from ng_ws.bench.plan import Plan, rate_of
from ng_ws.bench.results import Results
from ng_ws.exits import Failed

from tests.support.hub import RunningHub
from tests.support.program import run

ROOMS = {"room:*": {"subscribe": ["admin"], "broadcast": ["admin"]}}


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    with RunningHub(channels=ROOMS) as running:
        yield running


async def test_every_subscriber_has_every_event(hub: RunningHub) -> None:
    environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin")}
    code, out, err = await run("bench", "sub", "-c", "3", "-n", "5", "--channel", "room:x", among=environ, patience=60)
    told = json.loads(out)
    assert (code, told["received"], told["expected"], told["gaps"]) == (0, 15, 15, 0)
    assert 0 < told["latency_ms"]["min"] <= told["latency_ms"]["p50"] <= told["latency_ms"]["max"]
    assert {"machine", "versions"} <= told.keys()
    assert "loopback flatters latency" in err


@pytest.mark.parametrize(("kind", "answered"), [("pub", 4), ("emit", 4), ("conn", 2)])
async def test_publishes_signals_and_connections_are_measured(hub: RunningHub, kind: str, answered: int) -> None:
    environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin")}
    code, out, _ = await run("bench", kind, "-c", "2", "-n", "4", "--channel", "room:y", among=environ, patience=60)
    told = json.loads(out)
    assert (code, told["bench"], told["answered"], "errors" in told) == (0, kind, answered, False)


async def test_another_machine_is_put_under_load_only_when_that_was_said() -> None:
    code, out, err = await run("bench", "pub", "--url", "ws://192.0.2.1/ws")
    assert (code, out) == (2, "")
    assert "is not this machine: expected --yes before it is put under load" in err
    code, _, err = await run("bench", "pub", "--yes", "--url", "ws://192.0.2.1/ws", "--timeout", "0.2")
    assert (code in {5, 6}, "--yes" in err) == (True, False)


async def test_what_the_hub_refuses_is_counted_and_decides_the_exit_code() -> None:
    async with FakeHub() as hub:
        refusal = {"type": "error", "code": 429, "error": "rate_limited", "message": "slower", "temporary": True}
        hub.answer_next("publish", refusal)
        code, out, _ = await run("bench", "pub", "-c", "1", "-n", "2", "--rate", "50", NG_URL=hub.url)
    assert (code, json.loads(out)["errors"]) == (7, {"rate_limited": 1})


def test_the_load_stays_within_the_buckets_of_the_hub() -> None:
    limits = Limits(rates={"publish": (60, 10), "emit": (1000, 1000)})
    assert rate_of(Plan("pub"), limits, 4) == 36
    assert rate_of(Plan("pub"), limits, 400) == 90
    assert rate_of(Plan("emit"), limits, 1) == 900
    assert rate_of(Plan("pub", rate=500, events=60), limits, 1) == 500
    with pytest.raises(Failed, match="--rate: expected at most 10 events per second here, got 500"):
        rate_of(Plan("pub", rate=500, events=61), limits, 1)


@pytest.mark.parametrize("arguments", [("nap",), ("pub", "-c", "1001"), ("pub", "-n", "0"), ("pub", "--size", "65537")])
async def test_what_is_beyond_the_bounds_is_refused(arguments: tuple[str, ...]) -> None:
    code, _, err = await run("bench", *arguments)
    assert (code, "expected" in err) == (2, True)


def test_percentiles_are_those_of_the_samples() -> None:
    results = Results(took=2.0, sent=100, answered=100, latencies=[n / 1000 for n in range(100, 0, -1)])
    told = results.shape()
    assert (told["per_second"], told["latency_ms"]["p50"], told["latency_ms"]["max"]) == (50.0, 51.0, 100.0)
