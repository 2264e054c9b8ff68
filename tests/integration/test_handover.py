"""The hand-over from uvicorn: the socket that arrives is whole, and hostile handshakes are answered or cut in time."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn

from hub.handover import protocols
from hub.handshake import HandshakeLimits
from hub.upgrade import EXTENSION, Detached, HubWebSocketProtocol

REQUEST = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
FRAME = b"\x81\x82\x00\x00\x00\x00hi"
LIMITS = HandshakeLimits(timeout=0.3, body_timeout=0.3)

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])


class App:
    """An endpoint that gives each socket away as soon as `proceed` is set, and remembers what it got."""

    def __init__(self) -> None:
        self.proceed = asyncio.Event()
        self.proceed.set()
        self.waiting = asyncio.Event()
        self.detached: asyncio.Queue[Detached | BaseException | None] = asyncio.Queue()
        self.protocol: HubWebSocketProtocol | None = None

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] == "lifespan":
            return
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            if scope["path"] == "/slow":
                self.waiting.set()
                await self.proceed.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            return
        self.protocol = scope["extensions"][EXTENSION]["detach"].__self__
        self.waiting.set()
        await self.proceed.wait()
        try:
            self.detached.put_nowait(scope["extensions"][EXTENSION]["detach"]("ng-ws.v1.json"))
        except (ConnectionError, OSError) as error:
            self.detached.put_nowait(error)


class Server(uvicorn.Server):
    """uvicorn's server, which says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture
async def app(request: pytest.FixtureRequest) -> AsyncIterator[tuple[App, int]]:
    """The endpoint behind a real uvicorn on the loop under test."""
    application = App()
    http, ws = protocols(LIMITS)
    config = uvicorn.Config(application, port=0, http=http, ws=ws, lifespan="off", log_config=None, access_log=False)
    server = Server(config)
    task = asyncio.create_task(server._serve())
    await server.ready.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield application, port
    finally:
        server.should_exit = True
        await task


@contextlib.contextmanager
def owned(detached: Detached | BaseException | None) -> Any:
    assert isinstance(detached, Detached)
    sock = socket.socket(fileno=detached.fd)
    sock.setblocking(False)
    with sock:
        yield sock


@pytest.mark.clause("C1")
async def test_the_detached_socket_carries_the_101_and_the_conversation_on(app: tuple[App, int]) -> None:
    application, port = app
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + b"\r\n")
    detached = await application.detached.get()
    loop = asyncio.get_running_loop()
    with owned(detached) as sock:
        assert isinstance(detached, Detached)
        await loop.sock_sendall(sock, detached.head)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(FRAME)
        received = await loop.sock_recv(sock, 100)
        await loop.sock_sendall(sock, b"\x81\x02ok")
        answer = await reader.readexactly(4)
    rest = await reader.read()
    writer.close()
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert b"\r\nSec-WebSocket-Protocol: ng-ws.v1.json\r\n" in head
    assert (received, answer, rest) == (FRAME, b"\x81\x02ok", b"")


@pytest.mark.clause("C1")
@pytest.mark.parametrize(
    ("odd", "status"),
    [
        (b"Upgrade: websocket, h2c", 426),
        (b"Upgrade: websocket\r\nUpgrade: websocket", 426),
        (b"Upgrade: websocket\r\nConnection: ;", 400),
    ],
)
async def test_a_request_of_an_odd_form_is_judged_by_the_library(app: tuple[App, int], odd: bytes, status: int) -> None:
    application, port = app
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST.replace(b"Upgrade: websocket", odd) + b"\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answer.split(b" ")[1] == str(status).encode()
    assert b"Failed to open a WebSocket connection: " in answer
    assert application.detached.empty()


async def test_an_odd_request_that_the_library_accepts_is_handed_over_like_any_other(
    app: tuple[App, int], caplog: pytest.LogCaptureFixture
) -> None:
    application, port = app
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST.replace(b"Connection: Upgrade", b"Connection: ,Upgrade, close~") + b"\r\n")
    with owned(detached := await application.detached.get()):
        assert isinstance(detached, Detached)
        assert detached.head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        await round_trip(port)
    writer.close()
    assert not caplog.records


async def test_frames_in_the_segment_of_the_request_arrive_as_tail(app: tuple[App, int]) -> None:
    application, port = app
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + b"\r\n" + FRAME)
    with owned(detached := await application.detached.get()):
        assert isinstance(detached, Detached)
        assert detached.tail == FRAME
    writer.close()


async def test_frames_sent_while_the_login_is_awaited_arrive_in_order(app: tuple[App, int]) -> None:
    application, port = app
    application.proceed.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + b"\r\n" + FRAME)
    await application.waiting.wait()
    writer.write(FRAME + FRAME)
    await writer.drain()
    await round_trip(port)
    application.proceed.set()
    with owned(detached := await application.detached.get()) as sock:
        assert isinstance(detached, Detached)
        late = b""
        with contextlib.suppress(BlockingIOError):
            late = sock.recv(100)
        assert detached.tail + late == FRAME * 3
    writer.close()


async def test_a_peer_that_left_during_the_login_is_told_as_an_error_and_leaks_nothing(app: tuple[App, int]) -> None:
    application, port = app
    application.proceed.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + b"\r\n")
    await application.waiting.wait()
    writer.transport.abort()
    await asyncio.wait_for(round_trip(port), 5)
    application.proceed.set()
    result = await application.detached.get()
    if isinstance(result, Detached):  # the loop had not read the reset yet: then the socket says so
        with owned(result) as sock, pytest.raises(ConnectionError):
            sock.recv(1)
    else:
        assert isinstance(result, ConnectionError)


async def round_trip(port: int) -> None:
    """Through the server's loop by another connection: what was sent before it has been read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"ok")
    writer.close()


@pytest.mark.clause("L4")
@pytest.mark.parametrize(
    "start", [b"", b"GET /ws HT", REQUEST, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"]
)
async def test_an_unfinished_request_is_cut_when_its_time_is_up(app: tuple[App, int], start: bytes) -> None:
    _, port = app
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    assert loop.time() - began == pytest.approx(LIMITS.timeout, abs=0.25)
    writer.close()


@pytest.mark.clause("L4")
async def test_an_upgrade_that_is_not_answered_in_time_is_cut(app: tuple[App, int]) -> None:
    application, port = app
    application.proceed.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + b"\r\n")
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    application.proceed.set()
    assert isinstance(await application.detached.get(), ConnectionError)
    writer.close()


@pytest.mark.clause("L5", "C11")
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 3_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b" " * 60_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (REQUEST.replace(b"13", b"8") + b"\r\n", 426),
        (REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n", 400),
        (REQUEST + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 400),
        (REQUEST.replace(b"websocket", b"h2c") + b"\r\n", 400),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else str(value),
)
async def test_a_head_that_is_too_large_or_malformed_is_answered_and_closed(
    app: tuple[App, int], request_bytes: bytes, status: int
) -> None:
    _, port = app
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_bytes)
    line = await asyncio.wait_for(reader.readline(), 5)
    assert line.split(b" ")[1] == str(status).encode()
    writer.close()


async def test_two_requests_on_one_connection_are_both_served(app: tuple[App, int]) -> None:
    _, port = app
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for _ in range(2):
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        answers.append(await reader.readuntil(b"ok"))
    writer.close()
    assert [answer.split(b" ")[1] for answer in answers] == [b"200", b"200"]


@pytest.mark.clause("L4")
async def test_the_time_of_an_upgrade_begins_at_accept(app: tuple[App, int]) -> None:
    """Not anew when its head is complete."""
    application, port = app
    application.proceed.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await round_trip(port)
    loop = asyncio.get_running_loop()
    accepted_before = loop.time()
    await asyncio.sleep(LIMITS.timeout / 4)  # time that passes, not something that is waited for
    writer.write(REQUEST + b"\r\n")
    await application.waiting.wait()
    assert application.protocol is not None
    assert application.protocol._deadline.at <= accepted_before + LIMITS.timeout
    application.proceed.set()
    with owned(await application.detached.get()):
        writer.close()


SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "next_request",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        REQUEST + b"\r\n",
    ],
    ids=["malformed", "host", "line", "upgrade"],
)
async def test_a_refusal_is_never_taken_for_the_answer_to_an_earlier_request(
    app: tuple[App, int], next_request: bytes
) -> None:
    """The earlier one is answered, and that is the last word."""
    application, port = app
    application.proceed.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(SLOW)
    await application.waiting.wait()
    writer.write(next_request)
    await writer.drain()
    await round_trip(port)
    application.proceed.set()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert (answer[:13], answer.count(b"HTTP/1.1"), answer[-2:]) == (b"HTTP/1.1 200 ", 1, b"ok")
    assert application.detached.empty()


BROKEN_BODY = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"


async def test_a_broken_body_is_refused_once(app: tuple[App, int]) -> None:
    _, port = app
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(BROKEN_BODY)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert (answer[:13], answer.count(b"content-length:")) == (b"HTTP/1.1 400 ", 1)


async def test_a_broken_body_behind_an_unanswered_request_ends_the_connection(app: tuple[App, int]) -> None:
    application, port = app
    application.proceed.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(SLOW + BROKEN_BODY)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    application.proceed.set()
    writer.close()
