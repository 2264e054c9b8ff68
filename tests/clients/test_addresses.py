"""Where a client connects: to one address, or to whichever of several a callable names."""

from collections import deque

import pytest
from neurograph_ws_client import Backoff, Disconnected, NeurographWSClient, State
from neurograph_ws_client.testing import FakeHub

AT_ONCE = Backoff(base=0.0)


async def test_each_attempt_goes_where_the_callable_says() -> None:
    """A cluster without a balancer: the node that is down is left for the next one."""
    async with FakeHub() as first, FakeHub() as second:
        urls = deque([first.url, "ws://127.0.0.1:9/ws", second.url])
        asked: list[str] = []

        def source() -> str:
            asked.append(urls[0])
            return urls.popleft()

        async with NeurographWSClient(source, backoff=AT_ONCE) as client:
            assert client.url == first.url
            before = first.url
            await first.stop()
            await client.wait_for(State.RECONNECTING, timeout=5)
            await client.wait_for(State.CONNECTED, timeout=5)
            assert client.url == second.url
        assert asked == [before, "ws://127.0.0.1:9/ws", second.url]


@pytest.mark.parametrize("named", ["http://localhost", ""])
async def test_a_callable_that_names_no_hub_is_a_failed_attempt(named: str) -> None:
    client = NeurographWSClient(lambda: named)
    with pytest.raises(Disconnected, match="cannot connect to : url: expected one like ws://"):
        await client.connect()


async def test_what_a_callable_raises_is_told_and_it_is_asked_again() -> None:
    async with FakeHub() as hub:
        answers: deque[str | Exception] = deque([OSError("no such name"), hub.url])

        def source() -> str:
            answer = answers.popleft()
            if isinstance(answer, Exception):
                raise answer
            return answer

        client = NeurographWSClient(source, backoff=AT_ONCE)
        await client.connect(retry=True)
        assert client.url == hub.url
        await client.close()
