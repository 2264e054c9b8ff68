"""The client tells each hub which content encodings it decodes, once, and only those that the hub has (M21, B9)."""

from typing import Any

import pytest
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import away_and_back, client_of


async def accepted(hub: FakeHub, count: int) -> list[tuple[bool, Any]]:
    """(with a resume, what was accepted) of each connect, once there are so many."""
    return [("resume" in one, one.get("accept")) for one in await hub.asked("connect", count)]


@pytest.mark.clause("M21", "B9")
@pytest.mark.parametrize(("served", "told"), [(["gzip", "zstd", "deflate"], ["gzip", "deflate"]), (["zlib"], ["zlib"])])
async def test_it_is_told_after_the_first_welcome_and_with_each_resume(served: list[str], told: list[str]) -> None:
    async with FakeHub(welcome={"encodings": served}) as hub, client_of(hub) as client:
        await client.subscribe("logs")
        await away_and_back(hub, client)
        assert await accepted(hub, 2) == [(False, told), (True, told)]


@pytest.mark.clause("M21")
@pytest.mark.parametrize("served", [[], ["zstd"]])
async def test_a_hub_that_decodes_nothing_of_it_is_told_nothing(served: list[str]) -> None:
    async with FakeHub(welcome={"encodings": served}) as hub, client_of(hub, name="dash") as client:
        await client.subscribe("logs")
        assert await accepted(hub, 1) == [(False, None)]  # its name alone


@pytest.mark.clause("M21")
async def test_a_former_session_is_resumed_first_and_told_then() -> None:
    async with FakeHub(welcome={"encodings": ["gzip"]}) as hub:
        async with client_of(hub) as client:
            await client.subscribe("logs")
            token = (await client.get_reconnection_token()).token
        async with client_of(hub, reconnection_token=token):
            assert (await accepted(hub, 3))[1:] == [(True, None), (False, ["gzip"])]
