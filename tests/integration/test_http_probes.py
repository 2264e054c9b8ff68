"""Probes and the scrape page (acceptance G1, G2, G14-G16; hardening.md section 8, id11)."""

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from hub.health import Health, State
from tests.support.hub import PRODUCTION, SECRET, RunningHub
from tests.support.rest import Rest

PREFIX = "neurograph_ws_"
TWELVE = {
    "connections_total": "gauge",
    "connections_opened": "counter",
    "connections_closed": "counter",
    "connection_duration_seconds": "histogram",
    "messages_sent": "counter",
    "messages_received": "counter",
    "message_size_bytes": "histogram",
    "message_latency_seconds": "histogram",
    "subscriptions": "counter",
    "channel_subscribers": "gauge",
    "buffered_events": "gauge",
    "errors": "counter",
}
MORE = {
    "broadcast_duration_seconds": "histogram",
    "heartbeat_latency_seconds": "histogram",
    "buffer_overflow": "counter",
    "bound_refusals": "counter",
    "gaps": "counter",
    "gap_entries": "counter",
    "auth": "counter",
    "rate_limited": "counter",
    "stalled": "counter",
    "loop_lag_seconds": "histogram",
    "io_turn_seconds": "histogram",
    "view_bytes": "gauge",
    "log_bytes": "gauge",
    "log_dropped": "counter",
    "draining": "gauge",
    "build_info": "gauge",
}


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    with RunningHub(channels={"room:*": {"broadcast": ["admin"], "subscribe": ["admin"]}}) as running:
        yield running


def probe(hub: RunningHub, path: str) -> tuple[int, str]:
    answer = httpx.get(hub.http_url + path)
    return answer.status_code, answer.json()["status"]


@pytest.mark.accept("G14", "G15", "G16")
@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/startup", "/ready"])
def test_a_hub_that_is_up_answers_its_probes_and_tells_nothing_but_the_state(hub: RunningHub, path: str) -> None:
    assert httpx.get(hub.http_url + path).json() == {"status": "ok"}


@pytest.mark.accept("G15", "G16")
@pytest.mark.clause("N10")
def test_a_draining_hub_is_live_and_not_ready() -> None:
    with RunningHub() as hub:
        hub.call(lambda one: setattr(one.health, "is_draining", True))
        assert probe(hub, "/health/live") == (200, "ok")
        assert probe(hub, "/health/startup") == (200, "ok")
        assert probe(hub, "/health/ready") == probe(hub, "/ready") == (503, "unavailable")


def test_pr1_a_lost_native_part_makes_the_hub_not_live() -> None:
    with RunningHub() as hub:
        failed = Health(State.FAILED, "an I/O thread is lost")
        hub.call(lambda one: setattr(one, "on_fatal", lambda: None))
        hub.call(lambda one: one.health.add("plane", lambda: failed, vital=True))
        assert probe(hub, "/health/live") == (503, "unavailable")
        with Rest(hub) as rest:
            assert rest.get("/status").data["components"]["plane"] == {
                "state": "failed",
                "detail": "an I/O thread is lost",
            }


@pytest.mark.accept("G15", "N14")
def test_a_signal_system_that_does_not_work_makes_the_hub_not_live() -> None:
    with RunningHub() as hub:
        hub.call(lambda one: setattr(one, "on_fatal", lambda: None))
        assert probe(hub, "/health/live") == (200, "ok")
        hub.call(lambda one: one.signals.close())
        for path in ("/health", "/health/live", "/health/ready"):
            assert probe(hub, path) == (503, "unavailable")
        with Rest(hub) as rest:
            told = rest.get("/status").data["components"]["signals"]
        assert told == {"state": "failed", "detail": "the SignalSystem is closed"}


@pytest.mark.accept("G1", "G2")
def test_the_named_families_are_there_with_their_types(hub: RunningHub) -> None:
    with Rest(hub, "admin") as rest:
        rest.post("/api/v1/publish", {"channel": "room:7", "event": "x"})
    text = httpx.get(f"{hub.http_url}/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    expected = {PREFIX + name: kind for name, kind in {**TWELVE, **MORE}.items()}
    assert {name: families[name].type for name in expected if name in families} == expected
    assert len(expected) >= 15


@pytest.mark.accept("G1")
def test_no_label_holds_a_user_an_address_or_a_room(hub: RunningHub) -> None:
    with Rest(hub, "admin") as rest:
        rest.post("/api/v1/publish", {"channel": "room:secret", "event": "x"})
        rest.get("/nope/secret-path")
    text = httpx.get(f"{hub.http_url}/metrics").text
    labels = {
        name for family in text_string_to_metric_families(text) for sample in family.samples for name in sample.labels
    }
    assert not labels & {"user", "subject", "address", "token", "conn", "path"}
    assert 'channel="room:*"' in text
    assert "room:secret" not in text
    assert "secret-path" not in text


@pytest.mark.accept("G1", "G3")
def test_counters_count_what_happened(hub: RunningHub) -> None:
    def read(name: str) -> float:
        return scrape(hub).get(name, 0.0)

    appended, refused = 'events_appended_total{channel="status"}', 'auth_total{kind="api_key",result="token_invalid"}'
    before = read(appended), read(refused)
    with Rest(hub, "admin") as rest:
        rest.post("/api/v1/publish", {"channel": "status", "event": "x"})
        rest.get("/status", headers={"Authorization": "Bearer ngk_wrong"})
    assert read(appended) >= before[0] + 1
    assert read(refused) == before[1] + 1
    assert read('build_info{version="0.1.0"}') == 1


@pytest.mark.accept("G1")
def test_the_life_of_connections_is_counted_by_role_close_code_and_length() -> None:
    with RunningHub() as hub:
        with connect(f"{hub.url}?token={hub.token('bot')}") as ws:
            ws.recv(10)
            ws.send('{"type":"subscribe","channel":"metrics"}')
            ws.recv(10)
            samples = scrape(hub)
            assert samples['connections_total{role="bot"}'] == 1
            assert samples['channel_subscribers{channel="metrics"}'] == 1
            assert samples['messages_received_total{type="subscribe"}'] == 1
            assert samples['subscriptions_total{channel="metrics",result="ok"}'] == 1
        while hub.call(lambda one: len(one.connections)):
            continue
        samples = scrape(hub)
    assert samples['connections_total{role="bot"}'] == 0
    assert samples["connections_opened_total"] == 1
    assert samples['connections_closed_total{code="1000"}'] == 1
    assert samples["connection_duration_seconds_count"] == 1


def scrape(hub: RunningHub) -> dict[str, float]:
    """Samples by name and labels as they are written, without the prefix."""
    text = httpx.get(f"{hub.http_url}/metrics").text
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(PREFIX))
    return {name.removeprefix(PREFIX): float(value) for name, _, value in lines}


def test_id11_the_scrape_page_is_for_administrators_in_production() -> None:
    with RunningHub(**PRODUCTION) as hub:
        answers = {
            role: httpx.get(f"{hub.http_url}/metrics", headers=hub.headers(role)).status_code
            for role in ("admin", "developer", "viewer", "bot")
        }
        assert answers == {"admin": 200, "developer": 403, "viewer": 403, "bot": 403}
        assert httpx.get(f"{hub.http_url}/metrics").status_code == 401
        assert SECRET not in httpx.get(f"{hub.http_url}/metrics", headers=hub.headers("admin")).text


def test_id11_a_forwarded_request_is_not_local() -> None:
    with RunningHub(proxies="127.0.0.1") as hub:
        assert httpx.get(f"{hub.http_url}/metrics").status_code == 200
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        assert httpx.get(f"{hub.http_url}/metrics", headers=forwarded).status_code == 401
