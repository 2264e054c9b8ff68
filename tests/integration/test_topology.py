"""The topology of docker-compose.yml as processes: two hubs, Redis with its ACL, a balancer, the shipped files."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from neurograph_ws_client import Backoff, Event, NeurographWSClient, State

from tests.deploy.test_observability import NODE_FAMILIES
from tests.support.deployment import HUBS, Deployment, status_of, until
from tests.support.redis_kit import needs_redis

pytestmark = [needs_redis, pytest.mark.timeout(120)]

SOON = 30.0
BACKOFF = Backoff(base=0.05, cap=0.5)
CHANNEL = "actions"


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(tmp_path) as running:
        yield running


class Reader:
    """Follows one channel, gaps included."""

    def __init__(self, client: NeurographWSClient) -> None:
        self.client = client
        self.items: list[Any] = []
        self._news = asyncio.Event()

    @property
    def places(self) -> list[tuple[str, int, Any]]:
        """Position and content of each event."""
        return [(item.epoch, item.offset, item.data) for item in self.items if isinstance(item, Event)]

    @property
    def gaps(self) -> list[Any]:
        return [item for item in self.items if not isinstance(item, Event)]

    async def start(self) -> None:
        self.client.subscribe(CHANNEL, self._take, delivery="all", gaps=True)
        await self.client.connect()
        await self.client.wait_for(State.CONNECTED, timeout=SOON)

    async def has(self, count: int) -> None:
        async with asyncio.timeout(SOON):
            while len(self.places) < count:
                self._news.clear()
                await self._news.wait()

    def _take(self, item: Any) -> None:
        self.items.append(item)
        self._news.set()


Made = Callable[..., NeurographWSClient]


@pytest.fixture
async def made(deployment: Deployment) -> AsyncIterator[Made]:
    """Makes clients, which end with the test."""
    clients: list[NeurographWSClient] = []

    def make(url: Any, role: str = "developer", **options: Any) -> NeurographWSClient:
        token = deployment.token(role, f"{role}-{len(clients)}")
        clients.append(NeurographWSClient(url, token=token, backoff=BACKOFF, compression=False, **options))
        return clients[-1]

    yield make
    await asyncio.gather(*(client.close() for client in clients))


async def publish(client: NeurographWSClient, numbers: range) -> list[str]:
    """-> their positions"""
    return [
        (await client.publish(CHANNEL, number, event="n", mid=f"m{number}", retry=True, timeout=SOON)).position
        for number in numbers
    ]


@pytest.mark.clause("N1", "N2", "N7")
@pytest.mark.accept("K5", "P1", "O1")
async def test_what_is_published_at_one_hub_is_heard_at_the_other_at_the_same_places(
    deployment: Deployment, made: Made
) -> None:
    readers = [Reader(made(deployment.url(name))) for name in HUBS]
    for reader in readers:
        await reader.start()
    publishers = [made(deployment.url(name), "admin") for name in HUBS]
    for publisher in publishers:
        await publisher.connect()
    told = await publish(publishers[0], range(20))
    told += await publish(publishers[1], range(20, 40))
    for reader in readers:
        await reader.has(40)
        assert [f"{epoch}:{offset}" for epoch, offset, _ in reader.places] == told
        assert [data for _, _, data in reader.places] == list(range(40))
        assert reader.gaps == []


@pytest.mark.clause("N2", "M31")
async def test_a_publish_that_is_repeated_at_the_other_hub_is_stored_once(deployment: Deployment, made: Made) -> None:
    first, second = [made(deployment.url(name), "admin") for name in HUBS]
    token = deployment.token("admin", "one and the same")
    for client in (first, second):
        client._link._token = client._session.credentials.token = token
        await client.connect()
    stored = await first.publish(CHANNEL, 1, event="n", mid="same")
    again = await second.publish(CHANNEL, 1, event="n", mid="same")
    assert (again.position, again.duplicate) == (stored.position, True)


@pytest.mark.clause("R2", "R8", "P3", "N12")
@pytest.mark.accept("P7", "E1", "E8")
async def test_after_kill_9_of_its_hub_a_client_comes_back_at_the_other_by_its_token_with_nothing_lost(
    deployment: Deployment, made: Made
) -> None:
    # At home at the first hub; wherever the balancer sends it afterwards.
    ways = iter([deployment.url("hub-1")])
    reader = Reader(made(lambda: next(ways, deployment.balanced)))
    await reader.start()
    await reader.client.get_reconnection_token()
    resumed: list[Any] = []
    reader.client.on("resumed", resumed.append)
    publisher = made(deployment.url("hub-2"), "admin")
    await publisher.connect()
    await publish(publisher, range(20))
    await reader.has(20)
    deployment.kill_hub("hub-1")
    await publish(publisher, range(20, 40))
    await reader.has(40)
    assert [data for _, _, data in reader.places] == list(range(40))
    offsets = [offset for _, offset, _ in reader.places]
    assert offsets == list(range(offsets[0], offsets[0] + 40))
    assert len({epoch for epoch, _, _ in reader.places}) == 1
    assert reader.gaps == []
    assert reader.client.welcome is not None
    assert reader.client.welcome.resumed
    assert len(resumed) == 1


@pytest.mark.clause("N13", "N10")
@pytest.mark.accept("P7")
async def test_a_hub_that_was_killed_comes_back_with_the_past_and_the_same_history(
    deployment: Deployment, made: Made
) -> None:
    publisher = made(deployment.url("hub-2"), "admin")
    await publisher.connect()
    told = await publish(publisher, range(10))
    deployment.kill_hub("hub-1")
    told += await publish(publisher, range(10, 20))
    deployment.start_hub("hub-1")
    events = await made(deployment.url("hub-1")).history(CHANNEL, last=20)
    assert [str(event.position) for event in events] == told


@pytest.mark.clause("N10", "N11")
@pytest.mark.accept("P5", "P6", "G15")
async def test_without_redis_hubs_are_alive_and_not_ready_and_with_it_again_they_are(
    deployment: Deployment, made: Made
) -> None:
    reader = Reader(made(deployment.url("hub-1")))
    await reader.start()
    publisher = made(deployment.url("hub-2"), "admin")
    await publisher.connect()
    await publish(publisher, range(5))
    await reader.has(5)
    deployment.kill_redis()
    where = [deployment.http(name) for name in HUBS]
    await asyncio.to_thread(
        until, lambda: all(status_of(f"{hub}/health/ready") == 503 for hub in where), "hubs that are not ready"
    )
    assert [status_of(f"{hub}/health/live") for hub in where] == [200, 200]
    # The past of the node itself is there all the same.
    assert len(await made(deployment.url("hub-1")).history(CHANNEL, last=5)) == 5
    await asyncio.to_thread(deployment.start_redis)
    await asyncio.to_thread(
        until, lambda: all(status_of(f"{hub}/health/ready") == 200 for hub in where), "hubs that are ready again"
    )
    await publish(publisher, range(5, 10))
    await reader.has(10)
    assert [data for _, _, data in reader.places] == list(range(10))


@pytest.mark.accept("G1", "G18", "O1")
async def test_prometheus_reads_the_figures_of_nodes_with_its_key(deployment: Deployment, made: Made) -> None:
    publisher = made(deployment.url("hub-1"), "admin")
    await publisher.connect()
    await publish(publisher, range(3))
    for name in HUBS:
        assert status_of(f"{deployment.http(name)}/metrics") in {401, 403}
        headers = {"Authorization": f"Bearer {deployment.prometheus_key}"}
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"{deployment.http(name)}/metrics", headers=headers)).text
        families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        assert NODE_FAMILIES - families == set()
        assert "neurograph_ws_redis_up 1.0" in text
