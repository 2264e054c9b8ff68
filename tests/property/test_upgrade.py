"""An upgrade request is read twice only where two readings could differ: the library is the judge of that."""

import base64

from hypothesis import given
from hypothesis import strategies as st
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from hub.handshake import check_upgrade, is_plain, is_upgrade
from hub.upgrade import plain_headers, switching_protocols

Field = tuple[bytes, bytes]

KEYS = st.binary(min_size=16, max_size=16).map(base64.b64encode)
VERSIONS = st.just(b"13") | st.sampled_from([b"8", b" 13 ", b"13, 8"])
ODD = st.sampled_from(
    [b"", b",", b"Upgrade,,", b"upgrade;q=1", b"(upgrade)", b"Up grade", b"\tUpgrade", b'"Upgrade"', b"\x0bUpgrade"]
)
OPTIONS = st.sampled_from([b"Upgrade", b"keep-alive, Upgrade", b"upgrade ,close", b"UPGRADE", b"keep-alive"]) | ODD
PRODUCTS = st.sampled_from([b"websocket", b"WebSocket"]) | st.sampled_from(
    [b"websocket, h2c", b"websocket/13", b"h2c", b""]
)
VALUES = st.binary(max_size=12).filter(lambda value: b"\r" not in value and b"\n" not in value)


@st.composite
def requests(draw: st.DrawFn) -> list[Field]:
    """Headers of requests for a WebSocket, most of them sound."""
    fields = [(b"connection", value) for value in draw(st.lists(OPTIONS, min_size=1, max_size=2))]
    fields += [(b"upgrade", value) for value in draw(st.lists(PRODUCTS, min_size=1, max_size=2))]
    fields += [(b"sec-websocket-version", draw(VERSIONS)), (b"sec-websocket-key", draw(KEYS))]
    return draw(st.permutations([*fields, *draw(st.lists(st.tuples(st.just(b"x-other"), VALUES), max_size=2))]))


def answer_of_the_library(headers: list[Field]) -> Response | None:
    """None: it could not read the request."""
    library = ServerProtocol()
    lines = [b"GET /ws HTTP/1.1", *(b"%b: %b" % field for field in headers), b"", b""]
    library.receive_data(b"\r\n".join(lines))
    events = library.events_received()
    return library.accept(events[0]) if events and isinstance(events[0], Request) else None


def without_date(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if not line.startswith(b"Date: ")]


@given(requests())
def test_what_is_answered_unread_the_library_would_have_answered_alike(headers: list[Field]) -> None:
    fields = [(name, value.strip(b" \t")) for name, value in headers]
    if not is_upgrade(fields) or check_upgrade("GET", "1.1", fields) is not None or not is_plain(b"/ws", fields):
        return
    answer = answer_of_the_library(headers)
    assert answer is not None
    key = next(value for name, value in fields if name == b"sec-websocket-key").decode()
    assert without_date(answer.serialize()) == without_date(switching_protocols(key))


@given(KEYS)
def test_what_the_library_is_told_of_a_plain_request_it_accepts(key: bytes) -> None:
    answer = answer_of_the_library(plain_headers(key.decode()))
    assert answer is not None
    assert without_date(answer.serialize()) == without_date(switching_protocols(key.decode()))


def test_the_answer_names_subprotocol_and_extensions_where_there_are_some() -> None:
    head = switching_protocols("dGhlIHNhbXBsZSBub25jZQ==", "ng-ws.v1.json", "permessage-deflate")
    assert without_date(head)[3:] == [
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        b"Sec-WebSocket-Protocol: ng-ws.v1.json",
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"",
        b"",
    ]
