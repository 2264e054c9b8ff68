"""What `ng-ws sub` chooses and shows: filters, fields, rates, data alone."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client import Event, Gap, encode_text
from neurograph_ws_client.testing import FakeHub
from ng_ws.picking import picker
from ng_ws.render import as_raw

from tests.support.program import Process, run

GAP = Gap("logs", "a:1", "a:3", 2, "slow")


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with FakeHub() as hub:
        yield hub


def event(data: Any, **members: Any) -> Event[Any]:
    shape = {"type": "event", "channel": "logs", "offset": 7, "event": "e", "ts": 1.5, "data": data}
    return Event({**shape, **members}, "k3Fq")


@pytest.mark.accept("B12")
async def test_a_filter_reaches_the_hub_as_the_protocol_has_it(hub: FakeHub, tmp_path: Path) -> None:
    hub.publish("signals", {"n": 1})
    ending = ("--from", "last:1", "-n", "1", "--url", hub.url)
    await run("sub", "signals", "--filter", "is_novel and dim.social > 0.5", *ending)
    (tmp_path / "f.json").write_text('{"key":"db1"}')
    await run("sub", "signals", "--filter", f"@{tmp_path / 'f.json'}", *ending)
    await run("--subscribe", "signals", "--near", "disk", "--radius", "0.2", *ending)
    sent = [message["filter"] for message in await hub.asked("subscribe", 3)]
    assert sent == [
        {"data.is_novel": True, "data.vector.5": {"gt": 0.5}},
        {"key": "db1"},
        {"data.vector": {"near": {"center": encode_text("disk"), "radius": 0.2}}},
    ]


async def test_a_radius_is_of_something() -> None:
    code, _, err = await run("sub", "signals", "--radius", "0.1", NG_URL="ws://127.0.0.1:1/ws")
    assert (code, "--radius: expected --near, of what" in err) == (2, True)


async def test_a_filter_is_explained_without_a_hub_and_a_misspelt_field_is_told() -> None:
    arguments = ("sub", "signals", "--explain-filter", "--filter", "is_novl and priority > 1")
    code, out, err = await run(*arguments, NG_URL="ws://127.0.0.1:1/ws")
    assert (code, json.loads(out)) == (0, {"data.is_novl": True, "data.priority": {"gt": 1}})
    assert "is_novl is read as data.is_novl; was is_novel meant?" in err


async def test_only_some_members_are_shown(hub: FakeHub) -> None:
    hub.publish("logs", {"cpu": {"user": 3}, "list": [1, 2]}, key="db1", tags={"env": "prod"})
    fields = "key,position,cpu.user,list.1,tags.env,nope"
    arguments = ("sub", "logs", "--from", "last:1", "-n", "1", "--fields", fields, "--url", hub.url)
    code, out, _ = await run(*arguments)
    assert (code, json.loads(out)) == (
        0,
        {"key": "db1", "position": "fake1:1", "cpu.user": 3, "list.1": 2, "tags.env": "prod", "nope": None},
    )
    _, out, _ = await run(*arguments, "--format", "compact")
    assert out == "db1\tfake1:1\t3\t2\tprod\t-\n"


def test_a_gap_is_shown_among_members_too() -> None:
    assert json.loads(picker(("a",), is_json=True)(GAP))["type"] == "gap"
    assert picker(("a",), is_json=False)(GAP).startswith(b"-- logs: 2 entries missed")
    assert picker(("data",), is_json=True)(event({"data": 1})) == b'{"data":{"data":1}}\n'
    assert picker(("data.data",), is_json=True)(event({"data": 1})) == b'{"data.data":1}\n'


@pytest.mark.parametrize(
    ("data", "written"), [("a\x1b[1m b", b"a\x1b[1m b\n"), ({"n": 1}, b'{"n":1}\n'), (None, b"null\n")]
)
def test_raw_is_the_data_alone_as_it_was_published(data: Any, written: bytes) -> None:
    assert as_raw(event(data)) == written


async def test_raw_of_events_is_their_data_and_of_answers_a_word(hub: FakeHub) -> None:
    assert as_raw(GAP) == b""
    code, out, _ = await run("pub", "logs", "hello", "--format", "raw", "--url", hub.url)
    assert (code, out) == (0, "fake1:1\n")
    code, out, _ = await run("sub", "logs", "--from", "last:1", "-n", "1", "--format", "raw", "--url", hub.url)
    assert (code, out) == (0, "hello\n")


async def test_rates_are_told_each_second_instead_of_the_events(hub: FakeHub) -> None:
    process = await Process.start("sub", "logs", "--rate", "--url", hub.url)
    await process.noted("following")
    for number in range(20):
        hub.publish("logs", number)
    told = json.loads(await process.line())
    assert (told["channel"], told["events_per_s"], told["bytes_per_s"] > 20) == ("logs", 20.0, True)
    assert json.loads(await process.line())["events_per_s"] == 0.0
    process.interrupt()
    assert (await process.ended())[0] == 130
