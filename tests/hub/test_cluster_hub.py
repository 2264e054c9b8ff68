"""Two whole hubs, joined: what their HTTP says of each other (H10, N10, hardening.md 8)."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
import pytest
from starlette.applications import Starlette

from channels.permissions import Role
from hub.app import create_app
from hub.auth import Identity
from hub.config import Settings
from hub.health import State
from hub.hub import Hub
from hub.joining import Joined
from hub.reporters.metrics import SERIES
from tests.support.bus import Wire
from tests.support.hub import SECRET, _quiet_logs
from tests.support.node import Peer
from tests.support.store import RemoteBackplane, Store
from tests.support.town import until

BOT = Identity("b7", Role.BOT)


class Cluster:
    """Hubs n1 and n2 in this loop, and clients of their HTTP."""

    def __init__(self, secrets: tuple[str, str] = (SECRET, SECRET)) -> None:
        self.store, self.wire = Store(), Wire()
        self.backplanes = [RemoteBackplane(self.store) for _ in range(2)]
        self.apps = [
            self._app(f"n{number}", *one) for number, one in enumerate(zip(self.backplanes, secrets, strict=True), 1)
        ]
        now = time.time()
        claims = {"sub": "root", "role": "admin", "iat": now, "exp": now + 600}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}
        self.http = [
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers)
            for app in self.apps
        ]

    @property
    def hubs(self) -> list[Hub]:
        return [app.state.hub for app in self.apps]

    async def settled(self) -> None:
        """Every hub knows what was decided before it began."""
        await until(lambda: all(hub.cluster is not None and hub.cluster.failure is None for hub in self.hubs))

    def peer(self, number: int, who: Identity = BOT) -> Peer:
        hub = self.hubs[number]
        node: Any = SimpleNamespace(plane=hub.plane, connections=hub.connections, peers=[])
        return Peer(node, who)

    def _app(self, name: str, backplane: RemoteBackplane, secret: str) -> Starlette:
        rooms = {"room:*": {"subscribe": ["admin"], "broadcast": ["admin"]}}
        chosen: dict[str, Any] = {"node": name, "dev_file": None, "jwt_secret": secret, "port": 0, "channels": rooms}
        settings = Settings(**chosen)
        return create_app(settings, joined=Joined(backplane, self.wire.bus(name)))


@asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[Cluster]:
    _quiet_logs()
    async with AsyncExitStack() as stack:
        for app, http in zip(cluster.apps, cluster.http, strict=True):
            await stack.enter_async_context(app.router.lifespan_context(app))
            await stack.enter_async_context(http)
        yield cluster


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with running(Cluster()) as cluster:
        yield cluster


async def data(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["data"]


@pytest.mark.clause("C22")
async def test_clients_of_all_nodes_are_listed_on_each(cluster: Cluster) -> None:
    here, there = cluster.peer(0), cluster.peer(1, Identity("eve", Role.VIEWER))
    for peer in (here, there):
        await peer.next("welcome")
    elsewhere = cluster.hubs[0].cluster
    assert elsewhere is not None
    await until(lambda: elsewhere.elsewhere.counts()["n2"] == 1)
    shown = await data(await cluster.http[0].get("/api/v1/clients"))
    assert (shown["total"], shown["nodes"]) == (2, {"n1": 1, "n2": 1})
    assert [(one["id"], one["node"], one["user"]) for one in shown["clients"]] == [
        (here.connection.session.conn, "n1", "b7"),
        (there.connection.session.conn, "n2", "eve"),
    ]
    viewers = await data(await cluster.http[0].get("/api/v1/clients?role=viewer&limit=1"))
    assert ([one["user"] for one in viewers["clients"]], viewers["total"]) == (["eve"], 1)
    cluster.hubs[1].plane.feed_close(there.number, 1000, "")
    cluster.hubs[1].plane.flush()
    await until(lambda: elsewhere.elsewhere.counts()["n2"] == 0)
    gone = await data(await cluster.http[0].get("/api/v1/clients?user=eve"))
    assert (gone["total"], gone["last_seen"] > 0) == (0, True)


@pytest.mark.clause("C17", "N15")
async def test_a_client_of_another_node_is_kicked_and_given_a_role(cluster: Cluster) -> None:
    peer = cluster.peer(1)
    conn = peer.connection.session.conn
    changed = await data(await cluster.http[0].patch(f"/api/v1/clients/{conn}", json={"role": "viewer"}))
    assert changed == {"conn": conn, "node": "n2", "role": "viewer"}
    kicked = await data(await cluster.http[0].delete(f"/api/v1/clients/{conn}"))
    assert kicked == {"conn": conn, "node": "n2", "kicked": True}
    assert await peer.closed() == (4010, "kicked")
    await peer.gone()
    assert (await cluster.http[0].delete("/api/v1/clients/c-nobody")).status_code == 404
    assert (await cluster.http[0].patch(f"/api/v1/clients/{conn}", json={"role": "emperor"})).status_code == 400


@pytest.mark.clause("C17", "N15")
async def test_id5_a_revocation_over_http_holds_on_the_other_node(cluster: Cluster) -> None:
    peer = cluster.peer(1, Identity("ann", Role.DEVELOPER))
    await data(await cluster.http[0].post("/api/v1/auth/revoke", json={"subject": "ann"}))
    assert await peer.closed() == (4103, "token_revoked")


@pytest.mark.clause("N10")
async def test_a_node_whose_store_is_away_lives_and_is_not_ready(cluster: Cluster) -> None:
    await cluster.settled()
    ready = [(await http.get("/health/ready")).status_code for http in cluster.http]
    cluster.store.is_away = True
    probes = [(await cluster.http[0].get(f"/health/{name}")).status_code for name in ("live", "ready")]
    shown = await data(await cluster.http[0].get("/api/v1/status"))
    cluster.store.is_away = False
    assert (ready, probes) == ([200, 200], [200, 503])
    assert shown["components"]["backplane"] == {"state": "failed", "detail": "the store is away"}
    assert shown["state"] == "not ready"


async def test_what_the_backplane_counts_is_shown(cluster: Cluster) -> None:
    figures = cluster.backplanes[0].figures
    figures.is_up, figures.outbox = True, 3
    figures.lag.update({"logs": 2, "metrics": 1})
    figures.heals["logs"] += 4
    figures.rotations["actions", "replication"] += 1
    figures.errors["canary"] += 2
    figures.canary_seconds.observe(0.004)
    figures.command("evalsha", 0.0007)
    figures.batch_sizes.observe(3)
    figures.report["aof"] = "everysec"
    shown = (await data(await cluster.http[0].get("/api/v1/status")))["backplane"]
    assert (shown["kind"], shown["up"], shown["outbox"], shown["lag"]) == ("redis", True, 3, 2)
    assert (shown["heals"], shown["epoch_rotations"], shown["canary_p99_ms"]) == (4, 1, 5.0)
    assert (shown["redis"], sorted(shown["nodes"])) == ({"aof": "everysec"}, ["n1", "n2"])
    page = (await cluster.http[0].get("/metrics")).text
    for line in (
        "neurograph_ws_redis_up 1.0",
        "neurograph_ws_outbox_events 3.0",
        'neurograph_ws_bus_lag_entries{channel="logs"} 2.0',
        'neurograph_ws_heals_total{channel="logs"} 4.0',
        'neurograph_ws_epoch_rotations_total{channel="actions",reason="replication"} 1.0',
        'neurograph_ws_errors_total{layer="bus",reason="canary"} 2.0',
        "neurograph_ws_canary_seconds_count 1.0",
        'neurograph_ws_redis_command_seconds_count{command="evalsha"} 1.0',
        "neurograph_ws_append_batch_size_count 1.0",
    ):
        assert line in page


@pytest.mark.clause("N10", "N15")
async def test_a_node_is_not_ready_before_it_knows_what_was_decided_while_it_was_away(cluster: Cluster) -> None:
    await cluster.settled()
    cluster.wire.buses["n2"].is_deaf = True
    cluster.wire.buses["n1"].missed()
    probes = [(await cluster.http[0].get(f"/health/{name}")).status_code for name in ("live", "ready")]
    shown = await data(await cluster.http[0].get("/api/v1/status"))
    assert (probes, shown["components"]["backplane"]["state"]) == ([200, 503], "starting")
    assert "is being asked for" in shown["components"]["backplane"]["detail"]
    cluster.wire.buses["n2"].is_deaf = False
    await cluster.settled()
    assert (await cluster.http[0].get("/health/ready")).status_code == 200


@pytest.mark.clause("N18")
async def test_the_past_of_a_room_that_nobody_follows_here_is_read_from_the_store(cluster: Cluster) -> None:
    body = {"channel": "room:1", "event": "e", "data": 7}
    stored = await data(await cluster.http[1].post("/api/v1/publish", json=body))
    shown = await data(await cluster.http[0].get("/api/v1/channels/room:1"))
    assert (shown["position"], [event["data"] for event in shown["events"]]) == (stored["position"], [7])
    listed = await data(await cluster.http[1].get("/api/v1/channels"))
    assert "room:1" not in [one["name"] for one in listed["channels"]]
    cluster.store.is_away = True
    assert (await cluster.http[0].get("/api/v1/channels/room:2")).status_code == 503
    cluster.store.is_away = False


@pytest.mark.clause("C21", "S5")
@pytest.mark.parametrize("channel", ["metrics", "status"])
async def test_a_snapshot_shows_what_every_node_says_of_itself(cluster: Cluster, channel: str) -> None:
    """By `latest`: series of two nodes under one key would conflate, and a dashboard would see one of them."""
    own = {"metrics": SERIES, "status": cluster.hubs[0].health.names}[channel]
    peer = cluster.peer(0, Identity("root", Role.ADMIN))
    peer.send({"type": "subscribe", "channel": channel, "from": "snapshot", "delivery": "latest"})
    await peer.next("subscribed")
    events = [await peer.next("event") for _ in range(2 * len(own))]
    assert {event["key"] for event in events} == {f"{node}/{end}" for node in ("n1", "n2") for end in own}
    assert {event["tags"]["node"] for event in events} == {"n1", "n2"}


@pytest.mark.clause("C21", "N2")
async def test_what_a_hub_says_of_itself_gets_its_place_in_the_store(cluster: Cluster) -> None:
    await until(lambda: len(cluster.store.log("status").entries) > 0 and len(cluster.store.log("metrics").entries) > 0)
    assert {name for name, _ in cluster.store.calls} >= {"status", "metrics"}
    heads = [hub.broker.replicas.replica("status").position for hub in cluster.hubs]
    assert heads == [cluster.store.log("status").head] * 2


@pytest.mark.clause("R2")
async def test_hubs_with_other_secrets_say_so_of_each_other_and_take_clients_all_the_same() -> None:
    async with running(Cluster((SECRET, SECRET[::-1]))) as cluster:
        await cluster.settled()
        for hub, other in zip(cluster.hubs, ("n2", "n1"), strict=True):
            assert hub.cluster is not None
            agreement = hub.cluster.agreement
            await until(lambda agreement=agreement, other=other: other in agreement.differing)  # type: ignore[misc]
            health = hub.health.report()["auth"]
            assert (health.state, hub.health.is_ready) == (State.DEGRADED, True)
            assert other in health.detail
            assert "NG_TOKEN_KEYS" in health.detail
            assert SECRET not in health.detail
            assert b"neurograph_ws_nodes_with_other_keys 1.0" in hub.metrics.exposition()


async def test_hubs_with_the_same_secret_have_nothing_to_say(cluster: Cluster) -> None:
    await cluster.settled()
    for hub in cluster.hubs:
        assert hub.cluster is not None
        agreement = hub.cluster.agreement
        await until(lambda agreement=agreement: agreement.knows == 1)  # type: ignore[misc]
        assert b"neurograph_ws_nodes_with_other_keys 0.0" in hub.metrics.exposition()
        assert hub.health.report()["auth"].state is State.OK
