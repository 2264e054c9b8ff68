"""What of a handshake counts, and how it is refused where the server cannot answer by HTTP."""

from typing import Any

import pytest

from hub.admission import Denial
from hub.config import Settings
from hub.protocol.credentials import Presented
from hub.ws import EntranceRules, Handshake, _answer


def scope(*headers: tuple[bytes, bytes], **members: Any) -> dict[str, Any]:
    return {"type": "websocket", "headers": [(b"host", b"localhost"), *headers], "query_string": b"", **members}


@pytest.mark.clause("C6", "C3", "C12")
def test_a_handshake_is_read_from_its_headers_and_its_query() -> None:
    read = Handshake.read(
        scope(
            (b"authorization", b"Bearer abc"),
            (b"sec-websocket-protocol", b"ng-ws.v1.json, chat"),
            (b"origin", b"https://app.example"),
            scheme="wss",
            query_string=b"reconnection_token=r",
        )
    )
    assert read == Handshake(
        host="localhost",
        scheme="https",
        origins=["https://app.example"],
        offers=["ng-ws.v1.json", "chat"],
        presented=Presented("abc", "header", "r"),
    )


@pytest.mark.clause("C6")
def test_a_credential_given_twice_is_none_at_all() -> None:
    twice = scope((b"authorization", b"Bearer abc"), (b"authorization", b"Bearer abc"))
    assert Handshake.read(twice).presented is None


def test_two_hosts_are_no_known_host() -> None:
    assert Handshake.read(scope((b"host", b"localhost"))).host == "localhost,localhost"


def test_the_rules_of_the_entrance_are_settings() -> None:
    rules = EntranceRules.from_settings(Settings(dev_file=None, anonymous=False, origins="https://app.example"))  # type: ignore[arg-type]
    assert (rules.anonymous, rules.url_credentials, rules.origins, rules.is_production) == (
        False,
        True,
        ("https://app.example",),
        False,
    )


async def answered(denial: Denial, **members: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read any more")

    await _answer(denial, scope(**members), receive, send)
    return sent


@pytest.mark.clause("C11")
async def test_a_refusal_is_an_http_answer_with_retry_after() -> None:
    head, body = await answered(
        Denial(429, "too fast", "limit/handshakes", 0.2), extensions={"websocket.http.response": {}}
    )
    assert (head["type"], head["status"]) == ("websocket.http.response.start", 429)
    assert (b"retry-after", b"1") in head["headers"]
    assert body["body"] == b"too fast\n"


@pytest.mark.clause("C11")
async def test_a_server_that_cannot_answer_refuses_plainly() -> None:
    assert await answered(Denial(503, "full", "limit/connections")) == [
        {"type": "websocket.close", "code": 1008, "reason": ""}
    ]
