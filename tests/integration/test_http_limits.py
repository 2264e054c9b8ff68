"""The HTTP interface against the wrong, the large and the slow (acceptance C14, D3; hardening.md section 1)."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from channels.buckets import Rate
from tests.support.hub import PRODUCTION, RunningHub
from tests.support.rest import Rest

ORIGIN = "https://dash.example"


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    with RunningHub(http_body=2_048, http_time=0.3, origins=ORIGIN) as running:
        yield running


@pytest.fixture
def admin(hub: RunningHub) -> Iterator[Rest]:
    with Rest(hub, "admin") as rest:
        yield rest


def talk(hub: RunningHub, request: bytes) -> bytes:
    """Send bytes as they are, read until the hub closes or has answered."""
    with socket.create_connection(("127.0.0.1", hub.port), 5) as raw:
        raw.sendall(request)
        heard = b""
        while chunk := raw.recv(65_536):
            heard += chunk
            if b"\r\n\r\n" in heard and heard.endswith(b"}"):
                break
        return heard


@pytest.mark.accept("H3")
@pytest.mark.parametrize(
    "path", ["/nope", "/nope/", "/assets/nope", "/api/v1/nope", "/api/v1/status/", "/health/", "/api/v1/publish/x"]
)
def test_a_path_that_is_not_served_is_404_in_the_one_form(admin: Rest, path: str) -> None:
    assert admin.get(path).refusal == (404, "not_found")


@pytest.mark.accept("H3")
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/status"), ("GET", "/api/v1/publish"), ("PUT", "/token")]
)
def test_a_method_that_is_not_served_is_405_and_says_which_is(admin: Rest, method: str, path: str) -> None:
    answer = admin.call(method, path)
    assert answer.refusal == (405, "method_not_allowed")
    assert answer.headers["allow"] in answer.error["message"]


def test_a_body_over_the_limit_is_413_before_it_is_read(hub: RunningHub, admin: Rest) -> None:
    answer = admin.post("/api/v1/publish", b" " * 2_049)
    assert answer.refusal == (413, "too_large")
    assert answer.error["limit"] == 2_048
    head = f"POST /token HTTP/1.1\r\nHost: {hub.authority}\r\nContent-Length: {10**15}\r\n\r\n"
    assert talk(hub, head.encode()).startswith(b"HTTP/1.1 413")


def test_a_body_without_a_length_is_cut_off_at_the_limit(admin: Rest) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    assert admin.call("POST", "/api/v1/publish", content=chunks()).refusal == (413, "too_large")


def test_a_body_that_does_not_come_is_given_up(hub: RunningHub) -> None:
    head = f"POST /token HTTP/1.1\r\nHost: {hub.authority}\r\nContent-Length: 50\r\n\r\n{{"
    assert talk(hub, head.encode()).startswith(b"HTTP/1.1 408")


def test_an_encoded_body_is_refused(admin: Rest) -> None:
    answer = admin.post("/api/v1/publish", b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert answer.refusal == (415, "encoding_unsupported")


@pytest.mark.accept("C14")
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (ORIGIN, True),
        ("http://localhost:5173", True),
        ("https://dash.example.evil", False),
        ("http://dash.example", False),
        ("https://dash.example:8443", False),
        ("null", False),
        ("http://localhost.evil.example", False),
    ],
)
def test_cors_is_an_exact_list(hub: RunningHub, origin: str, allowed: bool) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    preflight = httpx.options(f"{hub.http_url}/api/v1/publish", headers=asked)
    plain = httpx.get(f"{hub.http_url}/status", headers={"Origin": origin})
    expected = origin if allowed else None
    assert preflight.headers.get("access-control-allow-origin") == expected
    assert plain.headers.get("access-control-allow-origin") == expected
    assert "access-control-allow-credentials" not in preflight.headers


@pytest.mark.accept("C14")
def test_in_production_loopback_is_no_origin_of_its_own() -> None:
    with RunningHub(**PRODUCTION) as hub:
        answer = httpx.get(f"{hub.http_url}/health", headers={"Origin": "http://localhost:5173"})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.accept("D3")
def test_an_address_beyond_its_rate_is_told_when_to_come_again() -> None:
    with RunningHub(http_rate=Rate(2, 0.01)) as hub, Rest(hub) as rest:
        answers = [rest.get("/status") for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        assert int(answers[2].headers["retry-after"]) >= answers[2].error["retry_after"] > 0
        assert rest.http.get("/health").status_code == 200


def test_hs13_a_forged_address_changes_nothing() -> None:
    with RunningHub(http_rate=Rate(2, 0.01)) as hub, Rest(hub) as rest:
        headers = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(3)]
        assert [rest.get("/status", headers=header).status for header in headers] == [200, 200, 429]


@pytest.mark.accept("C15")
def test_behind_a_configured_proxy_each_client_has_a_rate_of_its_own() -> None:
    with RunningHub(http_rate=Rate(1, 0.01), proxies="127.0.0.1") as hub, Rest(hub) as rest:
        headers = [{"X-Forwarded-For": f"1.1.1.1, 192.0.2.{number}"} for number in (1, 2, 1)]
        assert [rest.get("/status", headers=header).status for header in headers] == [200, 200, 429]


def test_a_page_under_a_rebound_name_is_refused(hub: RunningHub) -> None:
    answer = httpx.get(f"{hub.http_url}/status", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["error"]["error"]) == (400, "bad_host")


@pytest.mark.accept("G4")
def test_the_request_id_of_the_caller_stands_in_answer_and_log(hub: RunningHub, admin: Rest) -> None:
    answer = admin.get("/nope", headers={"X-Request-ID": "trace-me-7"})
    assert answer.headers["x-request-id"] == "trace-me-7"
    hub.call(lambda one: one.log_channel.flush())
    assert [record["path"] for record in hub.records if record.get("request_id") == "trace-me-7"] == ["/nope"]


def test_id12_what_is_echoed_cannot_break_the_form(admin: Rest) -> None:
    answer = admin.call("GET", "/api/v1/channels/%0d%0aSet-Cookie:%20x=1%1b%5b2J")
    assert answer.status == 404
    assert "set-cookie" not in answer.headers
    assert answer.refusal == (404, "not_found")
