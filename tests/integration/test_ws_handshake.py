"""Who comes in to `/ws`, by which form and credential, and how others are refused."""

import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from channels.buckets import Rate
from channels.permissions import Role
from tests.support.hub import PRODUCTION, RunningHub
from tests.support.ws import Peer, refused

Start = Callable[..., RunningHub]
REQUEST = (
    "GET /ws HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
)
NEITHER = "expected a JSON Web Token or an API key, came neither"
SUBSCRIBE_FRAME = b'\x81\xa8\x00\x00\x00\x00{"type":"subscribe","channel":"metrics"}'


def raw(hub: RunningHub, headers: str = "", tail: bytes = b"") -> socket.socket:
    """A socket on which the request and `tail` went out in one segment."""
    peer = socket.create_connection(("127.0.0.1", hub.port), timeout=10)
    peer.sendall(REQUEST.format(authority=hub.authority, headers=headers).encode() + tail)
    return peer


def read_until(peer: socket.socket, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        chunk = peer.recv(65_536)
        assert chunk, f"the connection ended before {wanted!r} came: {received!r}"
        received += chunk
    return received


# --- form -------------------------------------------------------------------------------------------------------------


@pytest.mark.clause("C1", "C13", "M40")
@pytest.mark.accept("A1", "K1")
def test_anonymous_is_welcomed_at_once(ws_hub: RunningHub) -> None:
    with Peer(ws_hub) as peer:
        assert (peer.received[0]["type"], peer.welcome["role"], peer.subprotocol) == ("welcome", "anonymous", None)


@pytest.mark.clause("C2", "C3")
@pytest.mark.accept("A10")
@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        (("ng-ws.v1.json",), "ng-ws.v1.json"),
        (("ng-ws.v1.msgpack", "ng-ws.v1.json"), "ng-ws.v1.msgpack"),
        (("chat", "ng-ws.v2.json", "ng-ws.v1.json"), "ng-ws.v1.json"),
        (("chat",), None),
    ],
)
def test_the_first_known_subprotocol_is_echoed(ws_hub: RunningHub, offers: tuple[str, ...], chosen: str | None) -> None:
    with Peer(ws_hub, subprotocols=offers) as peer:
        assert peer.subprotocol == chosen


@pytest.mark.clause("C5")
def test_only_unknown_versions_are_closed_with_4026(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, subprotocols=("ng-ws.v2.json",), reads=False) as peer:
        assert (peer.closed()[0], peer.subprotocol) == (4026, None)


@pytest.mark.clause("C1")
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_request_without_an_upgrade_is_426(ws_hub: RunningHub, method: str) -> None:
    answer = httpx.request(method, f"{ws_hub.http_url}/ws")
    assert (answer.status_code, answer.headers["sec-websocket-version"]) == (426, "13")


@pytest.mark.clause("C11")
def test_an_upgrade_at_another_path_is_404(ws_hub: RunningHub) -> None:
    with socket.create_connection(("127.0.0.1", ws_hub.port), timeout=10) as peer:
        peer.sendall(REQUEST.format(authority=ws_hub.authority, headers="").replace("/ws", "/chat").encode())
        assert read_until(peer, b"\r\n\r\n").startswith(b"HTTP/1.1 404 ")


@pytest.mark.clause("C14", "M9")
def test_frames_in_the_segment_of_the_request_are_applied_in_order(ws_hub: RunningHub) -> None:
    with raw(ws_hub, tail=SUBSCRIBE_FRAME * 2) as peer:
        received = read_until(peer, b'"subscribed"')
        assert received.index(b"101 Switching") < received.index(b'"welcome"') < received.index(b'"subscribed"')


@pytest.mark.clause("C3")
@pytest.mark.parametrize("header", [b"Sec-WebSocket-Protocol", b"X-Anything"])
def test_bytes_that_are_not_ascii_make_a_value_unknown_and_nothing_else(ws_hub: RunningHub, header: bytes) -> None:
    request = REQUEST.format(authority=ws_hub.authority, headers="HEADER\r\n").encode()
    with socket.create_connection(("127.0.0.1", ws_hub.port), timeout=10) as peer:
        peer.sendall(request.replace(b"HEADER", header + b": \xff\xfe"))
        assert b'"anonymous"' in read_until(peer, b'"welcome"')


@pytest.mark.clause("L5")
def test_a_huge_header_is_answered_while_the_peer_still_sends(ws_hub: RunningHub) -> None:
    """Closing over unread bytes would reset the connection, and the peer would lose the answer."""
    with socket.create_connection(("127.0.0.1", ws_hub.port), timeout=10) as peer:
        peer.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"a" * 2_000_000)
        assert read_until(peer, b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("C6", "C7", "C13")
@pytest.mark.accept("A11", "C9")
@pytest.mark.parametrize("role", [role.value for role in Role if role is not Role.ANONYMOUS])
def test_a_token_in_each_place_gives_its_role(ws_hub: RunningHub, role: str) -> None:
    token = ws_hub.token(role)
    ways: list[dict[str, Any]] = [
        {"token": token},
        {"subprotocols": (f"ng-ws.bearer.{token}", "ng-ws.v1.json")},
        {"query": f"?token={token}"},
    ]
    for way in ways:
        with Peer(ws_hub, **way) as peer:
            assert (peer.welcome["role"], peer.welcome["user"]) == (role, role)
    with Peer(ws_hub) as peer:
        assert peer.ask(type="connect", token=token)["role"] == role


@pytest.mark.clause("C6")
def test_the_first_kind_found_is_the_only_one_used(ws_hub: RunningHub) -> None:
    viewer, bot = ws_hub.token("viewer"), ws_hub.token("bot")
    with Peer(ws_hub, token=viewer, query=f"?token={bot}") as peer:
        assert peer.welcome["role"] == "viewer"
    with Peer(ws_hub, token="nonsense", query=f"?token={bot}", reads=False) as peer:
        assert peer.closed() == (4101, "token_invalid; the API key is not known")


@pytest.mark.clause("C6")
def test_the_same_kind_twice_is_400(ws_hub: RunningHub) -> None:
    assert refused(ws_hub, query="?token=a&token=b")[0] == 400
    assert refused(ws_hub, subprotocols=("ng-ws.bearer.a", "ng-ws.bearer.b", "ng-ws.v1.json"))[0] == 400


@pytest.mark.clause("C10", "C11", "X3")
@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"role": "viewer", "exp": 1_000_000_000}, (4101, "token_expired; the token has expired")),
        ({"role": "emperor"}, (4101, "token_invalid; the claim role names no role of this hub")),
        (
            {"role": "viewer", "sub": None},
            (4101, "token_invalid; the token lacks the claim sub"),
        ),
    ],
)
def test_a_credential_that_is_not_valid_is_closed_with_4101_and_why(
    ws_hub: RunningHub, claims: dict[str, Any], expected: tuple[int, str]
) -> None:
    with Peer(ws_hub, token=ws_hub.token(**claims), reads=False) as peer:
        assert peer.closed() == expected
        assert peer.received == []


@pytest.mark.clause("C8")
def test_credentials_in_urls_can_be_switched_off(start: Start) -> None:
    hub = start(url_credentials=False)
    for query in (f"?token={hub.token('bot')}", "?reconnection_token=abc"):
        with Peer(hub, query=query, reads=False) as peer:
            assert peer.closed() == (4003, "url_credential_disabled")


@pytest.mark.clause("R6", "M40")
def test_a_reconnection_token_in_the_url_is_refused_and_the_connection_goes_on(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "viewer", query="?reconnection_token=abc") as peer:
        error = peer.received[0]
        assert (error["re"], error["code"], error["error"]) == ("connect", 410, "resume_expired")
        assert peer.welcome["role"] == "viewer"


@pytest.mark.clause("C8")
def test_no_credential_shows_in_a_log(ws_hub: RunningHub) -> None:
    token = ws_hub.token("viewer")
    with Peer(ws_hub, query=f"?token={token}"):
        pass
    with Peer(ws_hub, query="?token=SECRET-OF-MINE", reads=False) as peer:
        peer.closed()
    logged = repr(ws_hub.call(lambda _: list(ws_hub.records)))
    assert token not in logged
    assert "SECRET-OF-MINE" not in logged


# --- who may not ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("C12", "C11")
@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost:3000", 101), ("https://evil.example", 403), ("null", 403), ("http://localhost.evil:8000", 403)],
)
def test_a_foreign_origin_is_403(ws_hub: RunningHub, origin: str, status: int) -> None:
    assert refused(ws_hub, headers={"Origin": origin})[0] == status


@pytest.mark.clause("C12")
def test_a_refused_origin_is_told_which_setting_lets_it_in(ws_hub: RunningHub) -> None:
    with raw(ws_hub, "Origin: https://evil.example\r\n") as peer:
        assert b"those in NG_ORIGINS" in read_until(peer, b"NG_ORIGINS")


@pytest.mark.clause("C11")
def test_a_foreign_host_is_400(ws_hub: RunningHub) -> None:
    with socket.create_connection(("127.0.0.1", ws_hub.port), timeout=10) as peer:
        peer.sendall(REQUEST.format(authority="rebound.example", headers="").encode())
        assert peer.recv(4096).split(b"\r\n")[0] == b"HTTP/1.1 400 Bad Request"


@pytest.mark.clause("C13", "L6")
def test_where_a_login_is_required_nothing_is_said_until_it_comes(start: Start) -> None:
    hub = start(anonymous=False, login_timeout=30)
    with Peer(hub, reads=False) as peer:
        assert peer.ask(type="subscribe", channel="metrics")["error"] == "login_required"
        assert peer.received == [peer.received[0]]
        assert peer.ask(type="connect", token=hub.token("viewer"))["role"] == "viewer"
        assert peer.ask(type="subscribe", channel="metrics")["type"] == "subscribed"


@pytest.mark.clause("C13", "L6")
def test_where_a_login_is_required_it_must_come_in_time(start: Start) -> None:
    hub = start(anonymous=False, login_timeout=0.1)
    with Peer(hub, reads=False) as peer:
        assert peer.closed() == (4101, "login_required")


@pytest.mark.clause("L8", "C13")
def test_before_a_required_login_large_messages_are_not_read(start: Start) -> None:
    hub = start(anonymous=False, login_timeout=30)
    with Peer(hub, reads=False) as peer:
        peer.send('{"type":"ping","pad":"' + "x" * 70_000 + '"}')
        error = peer.receive()
        assert (error["code"], error["error"], error["limit"]) == (413, "too_large", 65_536)


@pytest.mark.clause("L1", "C11")
@pytest.mark.accept("D5")
def test_a_full_node_answers_503_with_retry_after(start: Start) -> None:
    hub = start(max_connections=2)
    with Peer(hub), Peer(hub):
        status, headers = refused(hub)
        assert (status, int(headers["retry-after"]) >= 1) == (503, True)


@pytest.mark.clause("L2")
def test_too_many_connections_of_an_address_are_closed_with_4229(start: Start) -> None:
    hub = start(max_connections_per_address=2, proxies="127.0.0.1")
    elsewhere: dict[str, Any] = {"headers": {"X-Forwarded-For": "198.51.100.7"}}
    with Peer(hub, **elsewhere), Peer(hub, **elsewhere):
        with Peer(hub, **elsewhere, reads=False) as third:
            assert third.closed() == (4229, "too_many_connections")
        with Peer(hub, headers={"X-Forwarded-For": "198.51.100.8"}) as other:
            assert other.welcome["role"] == "anonymous"


@pytest.mark.clause("L21")
def test_forwarded_addresses_of_anybody_but_a_proxy_are_ignored(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin", headers={"X-Forwarded-For": "198.51.100.7"}):
        (client,) = ws_hub.call(lambda hub: hub.connections.snapshot())
        assert client["address"] == "127.0.0.1"


@pytest.mark.clause("L3")
def test_too_many_handshakes_of_an_address_are_429_with_retry_after(start: Start) -> None:
    hub = start(handshake_rate=Rate(2, 0.01))
    with Peer(hub), Peer(hub):
        status, headers = refused(hub)
        assert (status, int(headers["retry-after"]) >= 90) == (429, True)


@pytest.mark.clause("C10")
def test_an_address_that_guesses_is_closed_with_4229(start: Start) -> None:
    hub = start(login_failures=Rate(1, 0.01))
    codes = []
    for token in ("guess", hub.token("viewer")):
        with Peer(hub, token=token, reads=False) as peer:
            codes.append(peer.closed()[0])
    assert codes == [4101, 4229]


def test_a_peer_that_leaves_during_the_handshake_leaves_nothing_behind(ws_hub: RunningHub) -> None:
    for _ in range(20):
        raw(ws_hub).close()
    with Peer(ws_hub, "admin") as peer:
        peer.ask(type="ping")
        while len(ws_hub.call(lambda hub: hub.connections.snapshot())) > 1:
            peer.ask(type="ping")


def test_the_echo_of_conformance_suites_exists_only_where_it_is_switched_on(start: Start) -> None:
    hub = start(test_echo=True)
    request = REQUEST.format(authority=hub.authority, headers="").replace("/ws", "/echo").encode()
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as peer:
        peer.sendall(request + b"\x81\x82\x00\x00\x00\x00hi")
        if hub.transport == "handover":
            assert read_until(peer, b"\x81\x02hi").startswith(b"HTTP/1.1 101 ")
        else:
            assert read_until(peer, b"\r\n\r\n").startswith(b"HTTP/1.1 503 ")
    other = start()
    with socket.create_connection(("127.0.0.1", other.port), timeout=10) as peer:
        peer.sendall(request.replace(hub.authority.encode(), other.authority.encode()))
        assert read_until(peer, b"\r\n\r\n").startswith(b"HTTP/1.1 404 ")


@pytest.mark.clause("C10")
@pytest.mark.parametrize(
    "presented",
    [
        {"headers": {"Authorization": "Bearer "}},
        {"headers": {"Authorization": "Bearer"}},
        {"query": "?token="},
    ],
    ids=["spaces", "scheme", "url"],
)
def test_an_empty_credential_does_not_become_anonymous(ws_hub: RunningHub, presented: dict[str, Any]) -> None:
    with Peer(ws_hub, **presented, reads=False) as peer:
        assert peer.closed() == (4101, f"token_invalid; {NEITHER}")


@pytest.mark.clause("C10", "C3")
def test_an_empty_bearer_subprotocol_does_not_become_anonymous(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, subprotocols=("ng-ws.v1.json", "ng-ws.bearer."), reads=False) as peer:
        assert (peer.subprotocol, peer.closed()) == ("ng-ws.v1.json", (4101, f"token_invalid; {NEITHER}"))


@pytest.mark.clause("C12", "L21")
@pytest.mark.parametrize(
    ("proxies", "headers", "status"),
    [
        ("127.0.0.1", {"X-Forwarded-Proto": "https"}, 101),
        ("127.0.0.1", {"Forwarded": "for=198.51.100.7;proto=https"}, 101),
        ("127.0.0.1", {"X-Forwarded-Proto": "http"}, 403),
        ("127.0.0.1", {}, 403),
        ("192.0.2.1", {"X-Forwarded-Proto": "https"}, 403),
        ("192.0.2.1", {"Forwarded": "for=198.51.100.7;proto=https"}, 403),
    ],
)
def test_behind_a_proxy_that_ends_tls_its_own_origin_is_https(
    start: Start, proxies: str, headers: dict[str, str], status: int
) -> None:
    hub = start(**PRODUCTION, proxies=proxies)
    given = {"Origin": f"https://{hub.authority}", **headers}
    assert refused(hub, headers=given)[0] == status
