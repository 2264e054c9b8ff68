"""Publishers: what they write about each entry, whatever becomes of its answer."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from neurograph_ws_client import Closed, Disconnected, PermissionDenied, RateLimited, RequestTimeout, Unavailable
from neurograph_ws_client.testing import FakeHub
from ng_ws.verify.clients import Maker
from ng_ws.verify.history import History
from ng_ws.verify.publishers import Publisher, is_unknown

REFUSAL = {"type": "error", "code": 403, "error": "forbidden", "message": "no", "temporary": False}
TOO_FAST = {"type": "error", "code": 429, "error": "rate_limited", "message": "slower", "temporary": True}


class Bench:
    """A scripted hub, a publisher, and its lines."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub
        self.lines: list[Any] = []
        history = History(io.StringIO(), self.lines.append)
        maker = Maker((hub.url,), None, lambda _: lambda _: None)
        self.publisher = Publisher("p1", "run", maker, history, ("logs",), seed=1)

    def told(self) -> list[tuple[str, Any]]:
        return [
            (line["e"], line.get("off", line.get("code"))) for line in self.lines if line["e"] in {"pub", "ack", "nak"}
        ]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with FakeHub() as hub:
        bench = Bench(hub)
        await bench.publisher.connect()
        yield bench
        await bench.publisher.close()


async def test_an_entry_that_is_stored_is_acknowledged_with_its_place(bench: Bench) -> None:
    assert await bench.publisher.mark()
    assert bench.told() == [("pub", None), ("ack", 1)]
    (entry,) = bench.hub.logs["logs"].entries
    assert (entry["data"]["id"], entry["data"]["sum"]) == ("p1-1", bench.lines[0]["sum"])


async def test_a_refusal_is_told_and_not_tried_again(bench: Bench) -> None:
    bench.hub.answer_next("publish", REFUSAL)
    assert not await bench.publisher.mark()
    assert bench.told() == [("pub", None), ("nak", 403)]


async def test_who_may_not_publish_hears_so_instead_of_going_on(bench: Bench) -> None:
    bench.hub.answer_next("publish", REFUSAL)
    with pytest.raises(PermissionDenied):
        await bench.publisher.publish(1_000.0, asyncio.Event())
    assert bench.told() == [("pub", None), ("nak", 403)]


async def test_what_is_refused_for_now_is_one_publish_until_it_is_stored(bench: Bench) -> None:
    bench.hub.answer_next("publish", TOO_FAST)
    assert await bench.publisher.mark()
    assert bench.told() == [("pub", None), ("ack", 1)]
    sent = await bench.hub.asked("publish", 2)
    assert len({message["mid"] for message in sent}) == 1


@pytest.mark.clause("R13")
async def test_an_answer_that_was_lost_with_the_connection_is_asked_for_again_with_the_same_mid(bench: Bench) -> None:
    bench.hub.answer_next("publish", {})
    marking = asyncio.ensure_future(bench.publisher.mark())
    await bench.hub.asked("publish")
    bench.hub.cut()
    assert await marking
    assert bench.told() == [("pub", None), ("ack", 1)]
    sent = await bench.hub.asked("publish", 2)
    assert len({message["mid"] for message in sent}) == 1


async def test_a_refusal_after_an_attempt_that_was_lost_is_no_refusal(bench: Bench) -> None:
    bench.hub.answer_next("publish", {})
    bench.hub.answer_next("publish", REFUSAL)
    marking = asyncio.ensure_future(bench.publisher.mark())
    await bench.hub.asked("publish")
    bench.hub.cut()
    assert await marking
    assert bench.told() == [("pub", None), ("ack", 1)]


@pytest.mark.clause("E3", "R13")
async def test_a_refusal_after_an_outcome_that_was_unknown_is_no_refusal(bench: Bench) -> None:
    """The client repeats by itself, and no cut tells the publisher of it."""
    unknown = {"type": "error", "code": 504, "error": "outcome_unknown", "message": "perhaps", "temporary": True}
    bench.hub.answer_next("publish", unknown)
    bench.hub.answer_next("publish", REFUSAL)
    assert await bench.publisher.mark()
    assert bench.told() == [("pub", None), ("ack", 1)]


async def test_it_publishes_at_its_rate_until_it_ends(bench: Bench) -> None:
    ending = asyncio.Event()
    publishing = asyncio.ensure_future(bench.publisher.publish(10.0, ending))
    await bench.hub.asked("publish", 3)
    ending.set()
    await publishing
    assert [kind for kind, _ in bench.told()].count("ack") == 3


@pytest.mark.clause("E3")
def test_only_a_lost_answer_and_outcome_unknown_leave_it_open() -> None:
    assert is_unknown(Disconnected("gone"))
    assert is_unknown(RequestTimeout("late"))
    assert is_unknown(Unavailable("perhaps", code=504, error="outcome_unknown"))
    assert is_unknown(Closed("kicked", code=4010))
    assert is_unknown(Closed("HTTP 403 in place of the upgrade", code=403))
    assert not is_unknown(Unavailable("not now", code=503, error="overloaded"))
    assert not is_unknown(RateLimited("slower", code=429))
