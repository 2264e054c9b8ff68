"""Events whose data is of a type that the application names."""

import sys
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, Seen, client_of


class Load(msgspec.Struct):
    cpu: float
    host: str = "?"


@dataclass
class Line:
    text: str


async def test_the_data_of_each_event_is_made_one_of_the_type() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        loads, seen = await client.subscribe("metrics", type=Load, start="new"), Seen()
        await client.subscribe("logs", seen, type=Line)
        hub.publish("metrics", {"cpu": 3, "host": "db1"})
        hub.publish("logs", {"text": "a"})
        event = await loads.next(SOON)
        assert event.data == Load(3.0, "db1")
        assert (event.data.cpu, event.channel, event.offset, event.wire.count(b'"host":')) == (3.0, "metrics", 1, 1)
        assert [one.data for one in await seen.wait(1)] == [Line("a")]


async def test_data_of_another_form_is_told_and_counted_and_the_stream_goes_on() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        told = Seen()
        client.on("error", told)
        loads = await client.subscribe("logs", type=Load)
        hub.publish("logs", {"cpu": "much"})
        hub.publish("logs", {"cpu": 4.5})
        assert (await loads.next(SOON)).data == Load(4.5)
        (error,) = told.items
        assert "Expected `float`, got `str` - at `$.cpu`" in str(error)
        assert "the data of message at fake1:1" in error.__notes__
        assert (loads.failures, loads.handled) == (1, 1)


async def test_on_error_stop_ends_it_before_what_does_not_fit() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        client.on("error", Seen())
        loads = await client.subscribe("logs", type=Load, on_error="stop")
        hub.publish("logs", {})
        with pytest.raises(StopAsyncIteration):
            await loads.next(SOON)
        assert (loads.position, loads.state) == ("fake1:0", "ended")


async def test_a_type_that_is_none_is_refused_at_the_call() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        wanted: Any = object()
        with pytest.raises(TypeError):
            client.subscribe("logs", type=wanted)


async def test_without_msgspec_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    async with FakeHub() as hub, client_of(hub) as client:
        with pytest.raises(ImportError, match=r"neurograph-ws-client\[typed\]"):
            client.subscribe("logs", type=Load)
