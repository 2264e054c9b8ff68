"""Filters as an application gives them: on the wire, changed, restored, and refused."""

from typing import Any

import pytest
from neurograph_ws_client import Filter, encode_text, near
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, client_of

HOT: Filter = {"data.cpu": {"gte": 80}}


@pytest.mark.clause("F1")
@pytest.mark.accept("B12")
async def test_a_filter_goes_out_with_the_subscription_and_again_after_a_cut() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", filter=HOT, ack=5)
        assert (await hub.asked("subscribe"))[0]["filter"] == HOT
        hub.publish("logs", 1)
        assert (await logs.next(SOON)).offset == 1


@pytest.mark.clause("M26")
async def test_a_filter_is_replaced_and_taken_away_at_the_cursor() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        logs = await client.subscribe("logs", filter=HOT)
        await logs.update(filter={"key": "a"})
        await logs.update(ack=7)
        await logs.update(filter={})
        asked = await hub.asked("subscribe", 4)
        assert [message["filter"] for message in asked] == [HOT, {"key": "a"}, {"key": "a"}, {}]
        assert not any("from" in message for message in asked)


@pytest.mark.parametrize("wrong", ["key=a", 3, [HOT]])
async def test_what_is_no_object_is_refused_where_it_is_given(wrong: Any) -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        with pytest.raises(ValueError, match="filter: expected an object, got"):
            client.subscribe("logs", filter=wrong)
        logs = client.subscribe("logs")
        with pytest.raises(ValueError, match="filter: expected an object"):
            await logs.update(filter=wrong)


@pytest.mark.clause("F7")
def test_near_is_written_as_the_protocol_says() -> None:
    assert near([0.5] * 8, 0.3) == {"data.vector": {"near": {"center": [0.5] * 8, "radius": 0.3}}}
    assert near("disk failure", 0.12)["data.vector"]["near"]["center"] == encode_text("disk failure")
    with pytest.raises(ValueError, match=r"center\.1: expected a finite number"):
        near([0.0, float("nan")], 1)
