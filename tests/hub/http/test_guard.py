"""hub/http/guard.py: what stands before every route."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from channels.buckets import Rate
from hub.config import Settings
from hub.counters import Counters
from hub.http.answers import RequestInfo
from hub.http.guard import AddressRates, Guard, is_known_host, unknown_host


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def guarded(app: ASGIApp = fine, **flags: Any) -> tuple[Callable[..., Coroutine[Any, Any, httpx.Response]], Counters]:
    hub: Any = SimpleNamespace(settings=Settings(dev_file=None, **flags), counters=Counters())
    transport = httpx.ASGITransport(Guard(app, hub))

    async def get(path: str = "/", **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return get, hub.counters


async def test_a_request_that_fails_is_answered_in_the_one_form_and_counted() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret detail")

    get, counters = guarded(broken)
    answer = await get(x_request_id="r-1")
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "code": 500,
        "error": "internal",
        "message": "the hub failed to serve this request",
        "temporary": True,
    }
    assert answer.json()["meta"]["request_id"] == answer.headers["x-request-id"] == "r-1"
    assert counters.values["errors"] == {("internal", "http"): 1}


@pytest.mark.parametrize("given", ["a b", "x" * 65, 'a"b'])
async def test_a_request_id_that_is_no_plain_word_is_replaced(given: str) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-request-id", scope["hub.request"].request_id.encode())]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})

    get, _ = guarded(echo)
    shown = (await get(x_request_id=given)).headers["x-request-id"]
    assert shown != given
    assert len(shown) == 16


@pytest.mark.accept("D3")
async def test_an_address_beyond_its_rate_gets_429_with_the_time_to_wait() -> None:
    get, counters = guarded(http_rate=Rate(2, 0.5))
    answers = [await get() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    refused = answers[2]
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["x-ratelimit-limit"] == "2"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.json()["error"]["error"] == "rate_limited"
    assert 1.5 < refused.json()["error"]["retry_after"] <= 2
    assert counters.values["rate_limited"] == {("http",): 1}


async def test_probes_are_not_charged() -> None:
    get, _ = guarded(http_rate=Rate(1, 0.001))
    assert [(await get("/health/live")).status_code for _ in range(5)] == [204] * 5


@pytest.mark.accept("D7")
async def test_more_requests_at_once_than_are_served_get_503() -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        inside.set()
        await leave.wait()
        await fine(scope, receive, send)

    get, _ = guarded(slow, http_concurrency=1)
    first = asyncio.create_task(get())
    await inside.wait()
    second = await get()
    assert (second.status_code, second.headers["retry-after"]) == (503, "1")
    leave.set()
    assert (await first).status_code == 204


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8000", True),
        ("127.0.0.1", True),
        ("[::1]:8000", True),
        ("hub.localhost", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("a/b", False),
        ("localhost:8000:1", False),
    ],
)
def test_in_development_only_loopback_names_reach_the_hub(host: str, expected: bool) -> None:
    assert is_known_host(host, (), any_host=False) is expected


def test_in_production_any_name_does_unless_names_are_configured() -> None:
    assert is_known_host("hub.example", (), any_host=True)
    assert is_known_host("Hub.Example:443", ("hub.example",), any_host=True)
    assert not is_known_host("other.example", ("hub.example",), any_host=True)


async def test_a_page_that_rebinds_its_name_is_refused() -> None:
    get, _ = guarded()
    error = (await get(host="evil.example:8000")).json()["error"]
    assert error["error"] == "bad_host"
    assert error["message"] == "Host: expected a name of this hub (NG_HOSTS), came 'evil.example:8000'"


def test_a_foreign_name_is_repeated_short_and_without_control_characters() -> None:
    told = unknown_host("\x1b[1m" + "x" * 1_000)
    assert told == f"Host: expected a name of this hub (NG_HOSTS), came '\\x1b[1m{'x' * 60}'"


def test_addresses_are_forgotten_when_their_bucket_is_full() -> None:
    rates = AddressRates(Rate(1, 1))
    assert rates.take(RequestInfo("r", "192.0.2.1"), 0.0) == 0.0
    assert rates.take(RequestInfo("r", "192.0.2.1"), 0.5) == 0.5
    assert rates.take(RequestInfo("r", "192.0.2.2"), 10.0) == 0.0
    assert len(rates._buckets) == 1


async def test_websockets_pass_through() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    hub: Any = SimpleNamespace(settings=Settings(dev_file=None), counters=Counters())

    async def nothing(*_: Any) -> Any:
        return {}

    await Guard(app, hub)({"type": "websocket"}, nothing, nothing)
    assert seen == ["websocket"]
