"""The client's log that delivery is checked from."""

import json
from typing import Any

import pytest
from neurograph_ws_client import NeurographWSClient
from neurograph_ws_client.journal import Journal
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import AT_ONCE, Seen, away_and_back


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
    Journal(lines.append).message(3, "out", message)
    assert lines[0]["msg"] is message
