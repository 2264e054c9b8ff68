"""Subscribers: what their handlers were given, as the history has it."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from neurograph_ws_client.testing import FakeHub
from ng_ws.verify.checker import check
from ng_ws.verify.clients import Maker
from ng_ws.verify.history import History
from ng_ws.verify.payload import NAME, payload
from ng_ws.verify.subscribers import Habit, Subscriber

SOON = 10.0


class Bench:
    """A scripted hub, a subscriber, and its lines."""

    def __init__(self, hub: FakeHub, habit: Habit) -> None:
        self.hub = hub
        self.lines: list[Any] = []
        self.news = asyncio.Event()
        history = History(io.StringIO(), self._written)
        maker = Maker((hub.url,), None, lambda _: lambda _: None)
        self.subscriber = Subscriber("s1", habit, "run", maker, history, ("logs",), seed=1)
        self.sent = 0

    def _written(self, line: Any) -> None:
        self.lines.append(line)
        self.news.set()

    def publish(self) -> None:
        self.sent += 1
        entry = payload("run", "p1", self.sent, "logs", self.subscriber._random)
        self.hub.publish("logs", entry.data, event=NAME)

    async def told(self, *kinds: str) -> list[Any]:
        """Wait for lines of these kinds, in this order, at the end."""
        async with asyncio.timeout(SOON):
            while tuple(line["e"] for line in self.lines[-len(kinds) :]) != kinds:
                self.news.clear()
                await self.news.wait()
        return self.lines[-len(kinds) :]


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with FakeHub() as hub:
        yield hub


async def test_what_came_is_told_with_start_and_place(hub: FakeHub) -> None:
    bench = Bench(hub, "stays")
    await bench.subscriber.connect()
    bench.publish()
    bench.publish()
    start, first, second = await bench.told("sub", "msg", "msg")
    assert (start["req"], start["rec"], start["off"]) == (None, None, 0)
    assert [(line["id"], line["off"]) for line in (first, second)] == [("p1-1", 1), ("p1-2", 2)]
    await bench.subscriber.close()


async def test_an_entry_of_somebody_else_has_no_id(hub: FakeHub) -> None:
    bench = Bench(hub, "stays")
    await bench.subscriber.connect()
    hub.publish("logs", {"run": "another", "id": "p1-1"}, event=NAME)
    hub.publish("logs", 5)
    assert [line["id"] for line in await bench.told("msg", "msg")] == [None, None]
    await bench.subscriber.close()


async def test_an_entry_that_was_changed_on_the_way_shows_by_its_sum(hub: FakeHub) -> None:
    bench = Bench(hub, "stays")
    await bench.subscriber.connect()
    entry = payload("run", "p1", 1, "logs", bench.subscriber._random)
    hub.publish("logs", {**entry.data, "seq": 2}, event=NAME)
    (line,) = await bench.told("msg")
    assert (line["id"], line["sum"] == entry.sum) == ("p1-1", False)
    await bench.subscriber.close()


@pytest.mark.parametrize("pause", [0.0, 0.01])
async def test_after_a_cut_the_stream_goes_on_with_what_was_missed(hub: FakeHub, pause: float) -> None:
    bench = Bench(hub, "stays")
    bench.subscriber.pause = pause
    await bench.subscriber.connect()
    bench.publish()
    await bench.told("msg")
    hub.cut()
    await bench.told("end")
    bench.publish()
    await hub.asked("connect", 2)
    bench.publish()
    await _handled(bench, 3)
    await bench.subscriber.close()
    own = [line for line in bench.lines if line["e"] in {"sub", "msg", "gap"}]
    assert [str(one) for one in check(_published(bench, own)).findings.kept] == []


async def _handled(bench: Bench, upto: int) -> None:
    """Until the cursor is there."""
    while (place := bench.subscriber.diary.cursors.get("logs")) is None or place.offset < upto:
        assert await bench.subscriber.diary.moves("logs", SOON)


def _published(bench: Bench, own: list[Any]) -> list[Any]:
    """With the publisher's half of the history before it."""
    sums = {line["id"]: line["sum"] for line in own if line["e"] == "msg"}
    names = [f"p1-{number}" for number in range(1, bench.sent + 1)]
    pubs = [
        {"e": "pub", "ch": "logs", "id": name, "pub": "p1", "seq": number, "sum": sums.get(name)}
        for number, name in enumerate(names)
    ]
    return [{**line, "t": number} for number, line in enumerate([*pubs, *own])]


@pytest.mark.parametrize("habit", ["resubscribes", "restarts", "token only"])
async def test_who_comes_and_goes_tells_each_start(hub: FakeHub, habit: Habit) -> None:
    bench = Bench(hub, habit)
    await bench.subscriber.connect()
    bench.publish()
    await _handled(bench, 1)
    ending = asyncio.Event()
    living = asyncio.ensure_future(bench.subscriber.live(ending))
    await hub.asked("subscribe", 2)
    ending.set()
    await living
    bench.publish()
    await _handled(bench, 2)
    await bench.subscriber.close()
    own = [line for line in bench.lines if line["e"] in {"sub", "msg", "gap"}]
    assert [line["n"] for line in own if line["e"] == "sub"] == [1, 2]
    assert [str(one) for one in check(_published(bench, own)).findings.kept] == []
    assert [line["off"] for line in own if line["e"] == "msg"] == [1, 2]


@pytest.mark.clause("R5", "R8", "M40")
@pytest.mark.parametrize(("errors", "broken"), [({}, {"V6", "V7"}), ({"logs": 503}, set())])
async def test_a_resume_that_forgets_a_subscription_is_a_loss_unless_the_hub_said_so(
    errors: dict[str, int], broken: set[str]
) -> None:
    """What the client says of its encodings afterwards is answered by a `welcome` too, and that is no resume."""
    async with FakeHub(welcome={"encodings": ["gzip"]}) as hub:
        bench = Bench(hub, "token only")
        await bench.subscriber.connect()
        bench.publish()
        await _handled(bench, 1)
        resumed = {**hub.welcome_of(hub.peers[0]), "resumed": True, "subscriptions": {}}
        told = {
            channel: {"code": code, "error": "log_unavailable", "message": "m", "temporary": True}
            for channel, code in errors.items()
        }
        hub.answer_next("connect", resumed | ({"errors": told} if told else {}))
        await bench.subscriber._leave()
        bench.publish()
        bench.subscriber._is_without_cursor = True
        await bench.subscriber._return(reconnection_token="T")
        said = (await hub.asked("connect", 3))[1:]
        assert [(one.get("resume"), one.get("accept")) for one in said] == [("T", None), (None, ["gzip"])]
        await bench.subscriber._subscriptions["logs"]
        bench.publish()
        await _handled(bench, 3)
        await bench.subscriber.close()
    acks = [{"e": "ack", "id": f"p1-{number}", "off": number, "ep": "fake1"} for number in (1, 2, 3)]
    own = [line for line in bench.lines if line["e"] in {"sub", "msg", "gap"}]
    history = [{**line, "t": number} for number, line in enumerate([*_published(bench, own), *acks])]
    assert set(check(history).findings.counts) == broken


async def test_a_handler_whose_process_has_ended_has_handled_nothing(hub: FakeHub) -> None:
    bench = Bench(hub, "restarts")
    await bench.subscriber.connect()
    await bench.subscriber._handle_later("logs", 0, _event(), 0.0)
    assert [line["e"] for line in bench.lines] == ["sub"]
    await bench.subscriber._handle_later("logs", 1, _event(), 0.0)
    assert [line["e"] for line in bench.lines] == ["sub", "msg"]
    await bench.subscriber.close()


def _event() -> Any:
    from neurograph_ws_client import Event

    message = {"type": "event", "channel": "logs", "offset": 1, "event": NAME, "ts": 0.0, "data": {}}
    return Event(message, "fake1")
