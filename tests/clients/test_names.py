"""Names are checked where they are given: what no channel, event or key has is refused before anything is sent."""

import json
from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client import BadRequest, Channel, Disconnected, NeurographWSClient
from neurograph_ws_client.names import check_name
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import client_of

CASES: Any = json.loads((Path(__file__).parents[1] / "vectors" / "names.json").read_text())["cases"]
MEMBERS = {case["name"]: case for case in CASES}
FIT = [(member, value) for member, about in MEMBERS.items() for value in about["fit"]]
UNFIT = [(member, value) for member, about in MEMBERS.items() for value in about["unfit"]]


def told(member: str) -> str:
    return f"{member}: expected {MEMBERS[member]['expected']}, got "


@pytest.mark.clause("M15", "M16")
@pytest.mark.parametrize(("member", "value"), FIT)
async def test_what_is_a_name_goes_out(member: str, value: str) -> None:
    assert check_name(member, value) == value
    with pytest.raises(Disconnected):
        await NeurographWSClient().request({"type": "publish", member: value})


@pytest.mark.clause("M15", "M16")
@pytest.mark.parametrize(("member", "value"), UNFIT)
async def test_what_is_none_is_refused_before_it_is_sent(member: str, value: Any) -> None:
    client = NeurographWSClient()
    with pytest.raises(BadRequest) as fault:
        await client.request({"type": "publish", member: value})
    assert (fault.value.path, str(fault.value).startswith(told(member))) == (member, True)
    with pytest.raises(BadRequest):
        await client.send({"type": "publish", member: value})


TAGS: list[Any] = [
    {"a b": "1"},
    {"": "1"},
    {"a": 1},
    {"a": "x" * 257},
    {"a": "\u00e9" * 129},
    {"a" * 65: "1"},
    [],
    "a=1",
]
TAGS.append({f"t{number}": "1" for number in range(17)})


@pytest.mark.clause("M15", "M16")
@pytest.mark.parametrize("tags", TAGS)
async def test_tags_that_are_none_are_refused_before_they_are_sent(tags: Any) -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        with pytest.raises(BadRequest, match=r"^tags: expected an object of at most 16 strings") as fault:
            await client.publish("logs", 1, tags=tags)
        assert fault.value.path == "tags"
        await client.publish("logs", 1, tags={"a.B-c_9": "\u00e9" * 128, "b": ""})


@pytest.mark.clause("M16")
async def test_every_call_checks_the_names_it_is_given() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        vector: list[float] = [0.5] * 8
        for channel in (None, 7, "a b"):
            with pytest.raises(BadRequest, match=r"^channel: expected 1 to 64 of "):
                client.subscribe(channel)  # type: ignore[arg-type]
            with pytest.raises(BadRequest, match=r"^channel: "):
                await client.publish(channel, 1)  # type: ignore[arg-type]
            with pytest.raises(BadRequest, match=r"^channel: "):
                await client.history(channel)  # type: ignore[arg-type]
            with pytest.raises(BadRequest, match=r"^channel: "):
                await client.publish_media(channel, b"", event="e", content_type="text/plain")  # type: ignore[arg-type]
        with pytest.raises(BadRequest, match=r"^event: "):
            await client.publish("logs", 1, event="a..b")
        with pytest.raises(BadRequest, match=r"^key: "):
            await client.publish("logs", 1, key="\u0085")
        with pytest.raises(BadRequest, match=r"^mid: "):
            await client.publish("logs", 1, mid="two words")
        with pytest.raises(BadRequest, match=r"^event_type: "):
            await client.emit(".a", vector)
        with pytest.raises(BadRequest, match=r"^key: "):
            await client.emit_batch("a.b", [vector], key="")
        assert [
            message["type"] for message in hub.received if message["type"] in {"publish", "emit", "subscribe"}
        ] == []
        assert (await client.publish(Channel.LOGS, 1, key=None, mid=None)).position == "fake1:1"
        await client.request({"type": "publish", "channel": "logs", "event": "e", "data": 1, "key": None, "mid": None})
