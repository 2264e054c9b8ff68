"""The client's log that delivery is checked from."""

import json
from typing import Any

import pytest
from neurograph_ws_client import NeurographWSClient, NotWritten
from neurograph_ws_client.journal import Journal
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import AT_ONCE, Seen, away_and_back, client_of


@pytest.mark.clause("I0")
async def test_it_tells_what_went_out_and_in_what_was_handled_and_how_connections_ended() -> None:
    lines: list[dict[str, Any]] = []
    async with FakeHub() as hub:
        client = NeurographWSClient(hub.url, backoff=AT_ONCE, journal=lines.append)
        await client.connect()
        seen = Seen()
        await client.subscribe("logs", seen)
        hub.publish("logs", 1)
        await seen.wait(1)
        await away_and_back(hub, client, 2)
        await seen.wait(2)
        await client.close()
    assert [line["t"] for line in lines] == sorted(line["t"] for line in lines)
    assert [(line["conn"], line["position"]) for line in lines if line["dir"] == "handled"] == [
        (1, "fake1:1"),
        (2, "fake1:2"),
    ]
    assert [(line["conn"], line["code"]) for line in lines if line["dir"] == "close"] == [(1, 1006), (2, 1000)]
    out = [line["msg"]["type"] for line in lines if line["dir"] == "out"]
    assert out == ["get_reconnection_token", "subscribe", "connect"]
    assert [line["msg"]["data"] for line in lines if line["dir"] == "in" and line["msg"]["type"] == "event"] == [1, 2]
    json.dumps(lines)


@pytest.mark.clause("I0")
async def test_nothing_secret_stands_in_it() -> None:
    lines: list[dict[str, Any]] = []
    async with FakeHub(tokens={"sesame": "bot"}) as hub:
        client = NeurographWSClient(hub.url, backoff=AT_ONCE, token="sesame", journal=lines.append)
        await client.connect()
        token = (await client.get_reconnection_token()).token
        await away_and_back(hub, client)
        await client.send({"type": "connect", "token": "sesame"})
        await client.ping()
        await client.close()
    text = json.dumps(lines)
    assert "sesame" not in text
    assert token not in text
    resumes = [line["msg"]["resume"] for line in lines if line["dir"] == "out" and "resume" in line["msg"]]
    assert resumes == ["***"]


def test_a_message_without_secrets_is_written_as_it_is() -> None:
    lines: list[dict[str, Any]] = []
    message = {"type": "publish", "data": {"token": "of the user"}}
    Journal(lines.append, lambda error: None).message(3, "out", message)
    assert lines[0]["msg"] is message


@pytest.mark.clause("I0", "I3")
@pytest.mark.parametrize("at", ["in", "out", "handled", "close"])
async def test_one_that_raises_is_told_once_and_written_no_more_and_costs_nothing(at: str) -> None:
    lines: list[dict[str, Any]] = []

    def journal(line: dict[str, Any]) -> None:
        lines.append(line)
        if line["dir"] == at and (at != "in" or line["msg"]["type"] == "event"):
            raise OSError(28, "No space left on device")

    async with FakeHub() as hub, client_of(hub, journal=journal) as client:
        seen, errors, gaps = Seen(), Seen(), Seen()
        client.on("error", errors)
        client.on("gap", gaps)
        await client.subscribe("logs", seen)
        for number in (1, 2, 3):
            hub.publish("logs", number)
        await seen.wait(3)
        await away_and_back(hub, client, 4)
        assert [event.data for event in await seen.wait(4)] == [1, 2, 3, 4]
        # The first thing that goes out does so before anybody listens.
        told = "the journal raised and nothing more is written to it: OSError: [Errno 28] No space left on device"
        assert [(type(error), str(error)) for error in errors.items] == [(NotWritten, told)] * (at != "out")
        written = len(lines)
        await client.ping()
        assert (len(lines), gaps.items) == (written, [])
