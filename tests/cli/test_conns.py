"""`ng-ws conns` and what follows a mistake: nobody is left with a message alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from neurograph_ws_client import BadRequest, Event, RateLimited
from ng_ws.failures import explained
from ng_ws.recordings.form import Writer
from ng_ws.recordings.replay import Pace

from tests.support.hub import RunningHub
from tests.support.program import run


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    with RunningHub() as running:
        yield running


async def asked(hub: RunningHub, *arguments: str) -> tuple[int, str, str]:
    return await run(*arguments, NG_URL=hub.url, NG_TOKEN=hub.token("admin", "root"))


async def test_no_connections_are_told_as_that(hub: RunningHub) -> None:
    code, out, err = await asked(hub, "conns", "--role", "bot", "--format", "pretty")
    assert (code, out) == (0, "")
    assert err == "ng-ws: no open connections of role bot; ng-ws explain ID knows those that have ended\n"
    assert (await asked(hub, "conns", "--role", "anonymous"))[0] == 0


async def test_a_role_that_is_none_is_refused_with_those_there_are(hub: RunningHub) -> None:
    code, _, err = await asked(hub, "conns", "--role", "king")
    assert (code, err.splitlines()) == (
        2,
        [
            "ng-ws: --role: expected admin, developer, viewer, bot or anonymous, got 'king'",
            "       next: the same with --help",
        ],
    )


async def test_a_connection_that_is_gone_cannot_be_kicked_and_who_is_there_is_next(hub: RunningHub) -> None:
    code, _, err = await asked(hub, "conns", "--kick", "c-none")
    assert (code, "next: ng-ws conns shows who is there" in err) == (2, True)


async def test_a_rate_of_a_channel_that_takes_none_is_told_with_the_delivery_it_needs(hub: RunningHub) -> None:
    code, _, err = await asked(hub, "sub", "logs", "--max-rate", "2")
    assert (code, "next: the same with --delivery latest" in err) == (2, True)


async def test_a_url_of_http_leads_to_the_doctor() -> None:
    code, _, err = await run("sub", "--url", "http://localhost:8000")
    assert (code, "next: ng-ws doctor URL says which one it may be" in err) == (2, True)


def test_of_several_faults_at_once_the_first_is_told() -> None:
    fault = ExceptionGroup("two", [RateLimited("slower"), BadRequest("no")])
    assert explained(fault).exit_code == 7


@pytest.mark.clause("L22")
def test_a_replay_stays_within_the_bucket_of_the_hub() -> None:
    pace, now = Pace(10, 5, 0.0), 0.0
    times = []
    for _ in range(100):
        now += pace.take(now)
        times.append(now)
    assert times[:9] == [0.0] * 9
    for start in range(0, 100, 10):
        inside = [one for one in times if times[start] <= one < times[start] + 2]
        assert len(inside) <= 10 + 5 * 2
    assert times[-1] < 91 / 4.5 + 1


async def test_a_recording_is_replayed_as_fast_as_the_hub_takes_it(tmp_path: Path) -> None:
    """More events than the hub's burst of publishes, none refused, all in order."""
    file = tmp_path / "recording.ndjson"
    writer = Writer("ws://localhost/ws", ("actions",))
    told = {"type": "event", "channel": "actions", "event": "e", "ts": 1.0}
    events = (Event[int]({**told, "offset": number, "data": number}, "aaaa") for number in range(1, 71))
    file.write_bytes(writer.header() + b"".join(map(writer, events)))
    with RunningHub() as hub:
        code, out, err = await asked(hub, "replay", str(file), "--speed", "max")
        assert (code, "70 events published" in err) == (0, True), err
        assert [int(json.loads(line)["position"].partition(":")[2]) for line in out.splitlines()] == list(range(1, 71))
