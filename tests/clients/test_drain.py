"""What is asked of a client while its hub drains, and with which credential it goes elsewhere."""

from collections.abc import Mapping
from typing import Any

import pytest
from neurograph_ws_client.effects import AskToken, Open
from neurograph_ws_client.policy import TokenRequest
from neurograph_ws_client.session import Session
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import Seen, client_of
from tests.clients.test_session import VECTORS

DRAINING: Mapping[str, Any] = {
    "type": "error",
    "code": 503,
    "error": "draining",
    "message": "this hub is draining",
    "temporary": True,
}


async def switched(hub: FakeHub, told: Seen) -> None:
    """The second connection has taken over."""
    await told.wait(1)
    await hub.connected(1)


@pytest.mark.clause("M26", "M50")
async def test_options_that_are_replaced_while_the_hub_drains_hold_on_the_next_connection() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        told = Seen()
        client.on("switched", told)
        logs = await client.subscribe("logs")
        hub.goaway((0.3, 0.3))
        await client.ping()
        await logs.update(ack=5)
        assert hub.received[-1]["type"] == "ping"
        await switched(hub, told)
        *_, update = await hub.asked("subscribe", 2)
        assert (update["channel"], update["ack"], "from" in update) == ("logs", 5, False)


@pytest.mark.clause("M26", "M50")
async def test_an_update_that_is_refused_because_the_hub_drains_is_told_to_the_next() -> None:
    """The question and the `goaway` may cross on the way."""
    async with FakeHub() as hub, client_of(hub) as client:
        told = Seen()
        client.on("switched", told)
        logs = await client.subscribe("logs")
        hub.answer_next("subscribe", DRAINING)
        await logs.update(ack=5)
        await client.subscribe("actions")
        assert [one.get("ack") for one in await hub.asked("subscribe", 3)] == [None, 5, None]
        hub.goaway((0, 0))
        await switched(hub, told)
        *_, update = await hub.asked("subscribe", 4)
        assert (update["channel"], update["ack"]) == ("logs", 5)


@pytest.mark.clause("C15", "M51")
def test_a_second_connection_does_not_present_a_credential_that_has_run_out() -> None:
    session = Session(draw=lambda: 0.5, is_renewable=True, is_resumable=False)
    assert session.connect(0, retry=False)[-1] == AskToken(TokenRequest("initial"))
    session.token_ready("t1", 0)
    session.opened(1, 0)
    session.receive(1, {**VECTORS["messages"]["welcome"], "expires_in": 100}, 0)
    session.receive(1, {"type": "goaway", "reason": "draining", "reconnect_in": [104, 104], "deadline": 200}, 0)
    asked = session.expired(104)
    assert [effect for effect in asked if isinstance(effect, Open)] == []
    assert AskToken(TokenRequest("expiring", 2)) in asked
