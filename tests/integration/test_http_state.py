"""What the hub tells of itself over REST: status, modules, figures, channels, history (acceptance G14, H1, H10)."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from channels.broker import Publication
from channels.config import DEFAULT_CHANNELS
from hub import __version__
from hub.hub import Hub
from tests.support.hub import SECRET, RunningHub
from tests.support.rest import Rest
from tests.support.ws import Peer

PARTS = ["plane", "signals", "broker", "backplane", "auth", "metrics"]


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    channels = {
        "room:*": {"subscribe": ["admin", "viewer"], "broadcast": ["admin"]},
        "user:{sub}": {"subscribe": ["viewer"], "broadcast": ["admin"]},
        "brief": {"subscribe": ["admin"], "broadcast": ["admin"], "retention": {"bytes": "1KiB"}},
    }
    with RunningHub(channels=channels) as running:
        yield running


@pytest.fixture(scope="module")
def admin(hub: RunningHub) -> Iterator[Rest]:
    with Rest(hub, "admin") as rest:
        yield rest


@pytest.fixture(scope="module")
def nobody(hub: RunningHub) -> Iterator[Rest]:
    with Rest(hub) as rest:
        yield rest


@pytest.mark.accept("H1", "G14", "P10")
@pytest.mark.parametrize("path", ["/api/v1/status", "/status"])
def test_status_tells_parts_figures_and_mode(nobody: Rest, path: str) -> None:
    status = nobody.get(path).data
    assert (status["name"], status["version"], status["node"]) == ("neurograph-hub", __version__, "n1")
    assert (status["mode"], status["state"], status["log"]) == ("development", "ready", "memory")
    assert {name: part["state"] for name, part in status["components"].items()} == dict.fromkeys(PARTS, "ok")
    assert status["memory_mb"] > 1
    assert {"tokens", "cpu_percent", "connections", "uptime_s"} <= set(status)


def test_the_effective_settings_are_for_administrators_and_hide_secrets(admin: Rest, nobody: Rest) -> None:
    answer = admin.get("/api/v1/status")
    settings = answer.data["settings"]
    assert settings["rate_publish"] == "60/10"
    assert settings["jwt_secret"] == "***"
    assert settings["channels"] == ["brief", "room:*", "user:{sub}"]
    assert SECRET not in answer.response.text
    assert "settings" not in nobody.get("/api/v1/status").data


@pytest.mark.accept("H1", "W4")
def test_modules_are_the_parts_of_the_hub(nobody: Rest) -> None:
    assert [module["name"] for module in nobody.get("/api/v1/modules").data["modules"]] == PARTS


@pytest.mark.accept("G3", "H1")
def test_metrics_are_the_figures_of_the_channel(hub: RunningHub, nobody: Rest) -> None:
    data = nobody.get("/api/v1/metrics").data
    assert set(data) == {"system", "core", "hub"}
    assert data["system"]["memory_mb"] > 1
    assert data["core"]["total_tokens"] >= 0
    assert set(data["hub"]["subscribers"]) >= {"metrics", "signals", "brief"}


@pytest.mark.accept("H10", "C10")
@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (None, ["metrics", "status"]),
        ("viewer", ["metrics", "status"]),
        ("bot", ["metrics", "signals", "status"]),
        ("developer", ["actions", "logs", "metrics", "signals", "status"]),
        ("admin", ["actions", "brief", "connections", "logs", "metrics", "signals", "status"]),
    ],
)
def test_a_role_sees_the_channels_it_has_a_right_on(hub: RunningHub, role: str | None, expected: list[str]) -> None:
    with Rest(hub, role) as rest:
        shown = {channel["name"]: channel for channel in rest.get("/api/v1/channels").data["channels"]}
    assert sorted(name for name in shown if ":" not in name) == expected
    assert shown["metrics"]["rights"] == (["subscribe", "broadcast"] if role == "admin" else ["subscribe"])
    assert shown["metrics"]["retention"] == {"seconds": 60.0, "bytes": 67_108_864, "last_per_key": True}


def fill(admin: Rest, channel: str, count: int, size: int = 1) -> list[str]:
    return [
        admin.post("/api/v1/publish", {"channel": channel, "event": f"e.{number}", "data": "x" * size}).data["position"]
        for number in range(count)
    ]


@pytest.mark.accept("H10")
@pytest.mark.clause("M44")
def test_history_gives_the_newest_entries_or_those_after_a_position(admin: Rest) -> None:
    positions = fill(admin, "room:history", 5)
    path = "/api/v1/channels/room:history"
    newest = admin.get(path, params={"limit": 2}).data
    assert [event["event"] for event in newest["events"]] == ["e.3", "e.4"]
    assert newest["position"] == positions[-1]
    after = admin.get(path, params={"from": positions[1]}).data
    assert ([event["event"] for event in after["events"]], after["gap"]) == (["e.2", "e.3", "e.4"], None)
    assert {"type", "channel", "offset", "event", "ts", "data"} <= set(after["events"][0])


@pytest.mark.clause("M48", "M49")
def test_history_that_is_no_longer_kept_is_told_as_a_gap(admin: Rest) -> None:
    positions = fill(admin, "brief", 8, size=400)
    epoch = positions[0].split(":")[0]
    answer = admin.get("/api/v1/channels/brief", params={"from": positions[0]}).data
    first = answer["events"][0]["offset"]
    assert first > 2
    assert answer["gap"] == {
        "from": positions[0],
        "to": f"{epoch}:{first - 1}",
        "missed": first - 2,
        "reason": "retention",
    }


@pytest.mark.clause("M49")
@pytest.mark.parametrize("wanted", ["AAAAAAAA:3", "{epoch}:99999"])
def test_a_position_of_another_history_is_told_as_a_gap(admin: Rest, wanted: str) -> None:
    epoch = fill(admin, "room:epoch", 1)[0].split(":")[0]
    answer = admin.get("/api/v1/channels/room:epoch", params={"from": wanted.format(epoch=epoch)}).data
    assert (answer["gap"]["reason"], answer["gap"]["missed"]) == ("epoch", None)
    assert answer["events"]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"from": "nonsense"}, "bad_position"),
        ({"from": "abcd:-1"}, "bad_position"),
        ({"limit": "0"}, "bad_message"),
        ({"limit": "1001"}, "bad_message"),
        ({"limit": "²"}, "bad_message"),
        ({"limit": "9" * 5_000}, "bad_message"),
    ],
)
def test_a_question_that_is_none_is_refused(admin: Rest, params: dict[str, str], error: str) -> None:
    answer = admin.get("/api/v1/channels/status", params=params)
    ((name, value),) = params.items()
    assert (*answer.refusal, answer.error["path"]) == (400, error, name)
    assert answer.error["message"].startswith(f"{name}: expected ")
    assert f"came {value[:32]!r}"[:-1] in answer.error["message"]


@pytest.mark.clause("E5", "C24")
def test_history_needs_the_right_to_subscribe(hub: RunningHub, nobody: Rest) -> None:
    assert nobody.get("/api/v1/channels/logs").refusal == (401, "login_required")
    assert nobody.get("/api/v1/channels/nowhere").refusal == (404, "unknown_channel")
    with Rest(hub, "viewer") as viewer:
        assert viewer.get("/api/v1/channels/logs").refusal == (403, "forbidden")
        assert viewer.get("/api/v1/channels/room:empty").data["events"] == []
        assert viewer.get("/api/v1/channels/user:viewer").status == 200
        assert viewer.get("/api/v1/channels/user:somebody").refusal == (403, "forbidden")


@pytest.mark.accept("H10")
@pytest.mark.clause("L25")
def test_of_very_many_channels_each_is_found_by_name_and_listed_by_right() -> None:
    channels = {
        "ops:*": {"subscribe": ["admin"], "broadcast": ["admin"]},
        "room:*": {"subscribe": ["viewer"], "broadcast": ["admin"]},
        "user:{sub}": {"subscribe": ["viewer"], "broadcast": ["admin"]},
    }
    names = [*(f"ops:{number}" for number in range(1_100)), "user:ann", "user:viewer", "room:last"]

    async def fill_all(inside: Hub) -> None:
        for name in names:
            await inside.broker.publish(Publication(name, "x", b"1"))

    with RunningHub(channels=channels) as hub, Rest(hub, "admin") as admin:
        hub.await_(fill_all(hub.hub))
        with Rest(hub, "viewer") as viewer:
            shown = viewer.get("/api/v1/channels").data
            past = viewer.get("/api/v1/channels/room:last").data
        everything = admin.get("/api/v1/channels").data
        status = admin.get("/api/v1/status").data
    assert [channel["name"] for channel in shown["channels"] if ":" in channel["name"]] == ["user:viewer", "room:last"]
    assert shown["complete"]
    assert [event["event"] for event in past["events"]] == ["x"]
    assert past["position"].endswith(":1")
    assert (len(everything["channels"]), everything["complete"]) == (1_000, False)
    assert status["channels"] == len(DEFAULT_CHANNELS) + len(names)


@pytest.mark.clause("M50")
def test_a_rebalance_asks_a_share_of_the_clients_to_reconnect(hub: RunningHub, admin: Rest) -> None:
    with Peer(hub) as older, Peer(hub) as newer:
        told = admin.post("/api/v1/clients/rebalance", {"window": 0.1, "deadline": 30, "share": 0.5}).data
        assert (told["asked"], told["connections"]) == (1, 2)
        assert older.next("goaway")["reconnect_in"] == [0.0, 0.1]
        busy = admin.post("/api/v1/clients/rebalance")
        assert busy.refusal == (409, "conflict")
        assert busy.error["temporary"]
        assert 0 < busy.error["retry_after"] <= 35
        assert [message["type"] for message in newer.quiet()] == []
    with Rest(hub, "developer") as developer:
        assert developer.post("/api/v1/clients/rebalance").refusal == (403, "forbidden")


@pytest.mark.clause("M50")
def test_a_node_that_goes_away_is_not_rebalanced(start: Callable[..., RunningHub]) -> None:
    hub = start()
    with Rest(hub, "admin") as admin:
        hub.call(lambda inside: setattr(inside.health, "is_draining", True))
        answer = admin.post("/api/v1/clients/rebalance")
    assert (answer.refusal, answer.error["temporary"]) == ((409, "conflict"), False)


def test_a_rebalance_that_fails_is_told_and_hinders_no_other(
    start: Callable[..., RunningHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = start()

    async def broken(*_arguments: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(hub.hub.connections, "leave", broken)

    async def told() -> int:
        assert hub.hub._rebalancing is not None
        await asyncio.wait([hub.hub._rebalancing])
        await asyncio.sleep(0)  # who is told when it is done has been told then
        return hub.hub.counters.values["errors"]["internal", "rebalance"]

    with Rest(hub, "admin") as admin:
        seen = [(admin.post("/api/v1/clients/rebalance").status, hub.await_(told())) for _ in range(2)]
    assert seen == [(200, 1), (200, 2)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"window": 31, "deadline": 30}, "window: expected 0 to 30, came 31"),
        ({"share": 0}, "share: expected above 0 to 1, came 0"),
        ({"share": 1.5}, "share: expected above 0 to 1, came 1.5"),
        ({"deadline": 99_999}, "deadline: expected 0 to 3600, came 99999"),
        ({"window": "soon"}, "window: expected a number, came"),
    ],
)
def test_a_rebalance_that_makes_no_sense_is_400(admin: Rest, body: dict[str, object], expected: str) -> None:
    answer = admin.post("/api/v1/clients/rebalance", body)
    assert answer.refusal == (400, "bad_message")
    assert expected in answer.error["message"]


@pytest.mark.accept("H10", "C12")
async def test_clients_are_listed_and_kicked(hub: RunningHub) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    def with_admin(work: str, path: str) -> object:
        with Rest(hub, "admin") as rest:
            return rest.get(path).data if work == "get" else rest.delete(path).status

    async with connect(f"{hub.url}?token={hub.token('bot', 'b-1')}") as ws:
        await asyncio.wait_for(ws.recv(), 10)
        listed = await asyncio.to_thread(with_admin, "get", "/api/v1/clients?role=bot")
        assert isinstance(listed, dict)
        (client,) = listed["clients"]
        assert (client["user"], client["role"], client["node"], client["address"]) == ("b-1", "bot", "n1", "127.0.0.1")
        assert await asyncio.to_thread(with_admin, "delete", f"/api/v1/clients/{client['id']}") == 200
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(ws.recv(), 10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4010
    assert await asyncio.to_thread(with_admin, "delete", f"/api/v1/clients/{client['id']}") == 404
