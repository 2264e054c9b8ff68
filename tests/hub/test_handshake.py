"""Request heads are judged by what they are, before anything else looks at them."""

import base64

import pytest

from hub.handshake import (
    HandshakeLimits,
    Refusal,
    check_header,
    check_host,
    check_line,
    check_upgrade,
    is_plain,
    is_upgrade,
)

LIMITS = HandshakeLimits()
KEY = base64.b64encode(bytes(16))
UPGRADE = [
    (b"host", b"localhost:8000"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", KEY),
]


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    return [header for header in UPGRADE if header[0] != name]


@pytest.mark.clause("C1")
def test_an_upgrade_request_of_rfc_6455_is_accepted() -> None:
    assert (is_upgrade(UPGRADE), check_upgrade("GET", "1.1", UPGRADE)) == (True, None)


@pytest.mark.clause("C1")
@pytest.mark.parametrize("version", [[], [b"8"], [b"13", b"13"], [b"13, 8"]])
def test_another_version_is_answered_426_with_the_version_it_needs(version: list[bytes]) -> None:
    headers = without(b"sec-websocket-version") + [(b"sec-websocket-version", value) for value in version]
    refusal = check_upgrade("GET", "1.1", headers)
    assert refusal is not None
    assert (refusal.status, (b"sec-websocket-version", b"13") in refusal.headers) == (426, True)


@pytest.mark.clause("C11")
@pytest.mark.parametrize("keys", [[], [KEY, KEY], [b"short"], [base64.b64encode(bytes(15))], [b"!" * 24]])
def test_a_key_that_is_missing_doubled_or_not_16_bytes_is_400(keys: list[bytes]) -> None:
    refusal = check_upgrade(
        "GET", "1.1", without(b"sec-websocket-key") + [(b"sec-websocket-key", value) for value in keys]
    )
    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize(("method", "version"), [("POST", "1.1"), ("GET", "1.0"), ("HEAD", "1.1")])
def test_a_websocket_is_asked_for_by_get_and_http_1_1_only(method: str, version: str) -> None:
    refusal = check_upgrade(method, version, UPGRADE)
    assert refusal is not None
    assert (refusal.status, method in refusal.reason) == (400, True)


@pytest.mark.parametrize("body", [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")])
def test_an_upgrade_request_with_a_body_is_400(body: tuple[bytes, bytes]) -> None:
    refusal = check_upgrade("GET", "1.1", [*UPGRADE, body])
    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize("host", [b"", b"a/b", b"a?b", b"a#b", b"a@b", b"a b", b"a:b", b"[::1", b"h\xc3\xb6st"])
def test_a_host_with_anything_but_a_host_and_a_port_is_400(host: bytes) -> None:
    refusal = check_host([(b"host", host)], "1.1")
    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize("hosts", [[], [b"a", b"a"]])
def test_no_host_or_two_are_400(hosts: list[bytes]) -> None:
    assert check_host([(b"host", host) for host in hosts], "1.1") is not None


@pytest.mark.parametrize("host", [b"localhost", b"localhost:8000", b"10.0.0.1:80", b"[::1]:8000", b"hub.example.com"])
def test_ordinary_hosts_pass(host: bytes) -> None:
    assert check_host([(b"host", host)], "1.1") is None


@pytest.mark.clause("L5")
def test_the_request_line_is_taken_up_to_its_limit_and_refused_beyond_with_414() -> None:
    at_limit = check_line(b"/" * LIMITS.request_line, LIMITS)
    beyond = check_line(b"/" * (LIMITS.request_line + 1), LIMITS)
    assert (at_limit, beyond and beyond.status) == (None, 414)


def judged(headers: list[tuple[bytes, bytes]]) -> Refusal | None:
    """The first refusal as the fields come."""
    size = 0
    for count, (name, value) in enumerate(headers, 1):
        size += len(name) + len(value)
        if (refusal := check_header(name, value, count, size, LIMITS)) is not None:
            return refusal
    return None


@pytest.mark.clause("L5")
@pytest.mark.parametrize(
    "headers",
    [
        [(b"a", b"")] * 65,
        [(b"a", b"x" * 8192)],
        [(b"a", b"x" * 8000)] * 5,
    ],
    ids=["number", "one field", "all together"],
)
def test_headers_beyond_a_limit_are_431(headers: list[tuple[bytes, bytes]]) -> None:
    refusal = judged(headers)
    assert refusal is not None
    assert refusal.status == 431


@pytest.mark.clause("L5")
def test_headers_at_their_limits_pass() -> None:
    assert judged([(b"a", b"")] * 63 + [(b"b", b"x" * 8191)]) is None


@pytest.mark.parametrize(
    ("connection", "upgrade"),
    [
        ([b"Upgrade"], b"websocket"),
        ([b"keep-alive, Upgrade"], b"WebSocket"),
        ([b"keep-alive", b"upgrade"], b"websocket"),
    ],
)
def test_what_clients_send_is_plain(connection: list[bytes], upgrade: bytes) -> None:
    headers = [*((b"connection", value) for value in connection), (b"upgrade", upgrade), (b"x", b"caf\xe9")]
    assert is_plain(b"/ws?token=a", headers)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (b"/ws", [(b"connection", b"Upgrade"), (b"upgrade", b"websocket, h2c")]),
        (b"/ws", [(b"connection", b"Upgrade"), (b"upgrade", b"websocket"), (b"upgrade", b"websocket")]),
        (b"/ws", [(b"connection", b"Upgrade,,"), (b"upgrade", b"websocket")]),
        (b"/ws", [(b"connection", b"Upgrade, (b)"), (b"upgrade", b"websocket")]),
        (b"/ws", [(b"connection", b""), (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]),
        (b"/ws", [(b"connection", b"Upgrade"), (b"upgrade", b"websocket"), (b"x", b"a\x01b")]),
        (b"/\xe9", [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]),
    ],
)
def test_what_another_reading_could_take_otherwise_is_not_plain(url: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    assert not is_plain(url, headers)
