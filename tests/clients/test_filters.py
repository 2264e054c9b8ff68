"""Filters as an application gives them: on the wire, changed, restored, and refused."""

from typing import Any

import pytest
from neurograph_ws_client import BadRequest, Filter, State, encode_text, near
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, Seen, client_of, token_of

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


async def changed_while_away(hub: FakeHub, refusal: dict[str, Any]) -> tuple[Any, list[Any]]:
    """A filter is replaced while the client is away, and refused on its return. -> the client, the errors it told"""
    client, told = client_of(hub), Seen()
    client.on("error", told)
    await client.connect()
    logs = await client.subscribe("logs", lambda event: None, filter=HOT)
    await token_of(client)
    hub.cut()
    await client.wait_for(State.RECONNECTING, SOON)
    await logs.update(filter={"key": "a"})
    hub.answer_next("subscribe", {"type": "error", "message": "m", **refusal})
    await client.wait_for(State.CONNECTED, SOON)
    await hub.asked("subscribe", 2)
    return client, told.items


@pytest.mark.clause("M26", "E1", "F9")
async def test_a_filter_changed_while_away_that_the_hub_does_not_take_ends_the_subscription_and_is_told() -> None:
    refusal = {"code": 422, "error": "filter_invalid", "temporary": False, "channel": "logs", "path": "filter.key"}
    async with FakeHub() as hub:
        client, told = await changed_while_away(hub, refusal)
        async with client:
            assert (await hub.asked("unsubscribe"))[0]["channels"] == ["logs"]
            (error,) = told
            assert (type(error), error.channel, error.path) == (BadRequest, "logs", "filter.key")
            assert not any(peer.channels for peer in hub.peers)


@pytest.mark.clause("M26", "L23", "E2")
async def test_a_filter_changed_while_away_that_comes_too_fast_is_told_again_and_nobody_hears_of_it() -> None:
    refusal = {"code": 429, "error": "rate_limited", "temporary": True, "retry_after": 0.01}
    async with FakeHub() as hub:
        client, told = await changed_while_away(hub, refusal)
        async with client:
            asked = await hub.asked("subscribe", 3)
            assert [message["filter"] for message in asked] == [HOT, {"key": "a"}, {"key": "a"}]
            assert told == []


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
