"""hub/auth/jwks.py: keys that are fetched by a timer, bounded, never in a handshake (hardening.md 3.3, id3)."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hub.auth import jwks
from hub.auth.jwks import KeySet, SecretKey, reader_of
from hub.auth.keys import KeySetError
from tests.hub.auth import support
from tests.support.tls import write_certificate

GOOD = support.key_set(support.rsa_jwk("r1"))
Answer = Callable[[BaseHTTPRequestHandler], None]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Texts to be read one after the other; None fails."""

    def __init__(self, *texts: bytes | None) -> None:
        self.texts = list(texts)

    def __call__(self) -> bytes:
        text = self.texts.pop(0) if self.texts else None
        if text is None:
            raise OSError("unreachable")
        return text


def test_a_secret_is_the_key_whatever_it_is_called() -> None:
    key = SecretKey(b"s" * 32)
    assert key.find(None) is key.find("any") is not None


def test_a_key_is_found_by_its_name_or_as_the_only_one() -> None:
    one, two = (
        KeySet("one", lambda: GOOD),
        KeySet("two", lambda: support.key_set(support.rsa_jwk(), support.ed25519_jwk())),
    )
    one.load()
    two.load()
    assert one.find("r1") is one.find(None) is not None
    assert two.find(None) is None
    assert two.find("e1") is not None


def test_id3_the_last_good_set_stays_for_an_hour_and_then_the_issuer_fails_closed() -> None:
    clock = Clock()
    keys = KeySet("k", Source(GOOD, b"<html>"), clock)
    keys.load()
    for _ in range(2):
        with pytest.raises((OSError, KeySetError)):
            keys.load()
    clock.now = jwks.MAX_AGE - 1
    assert keys.find("r1") is not None
    clock.now = jwks.MAX_AGE
    assert not keys.is_loaded
    assert keys.find("r1") is None


async def test_id3_a_storm_of_unknown_names_asks_for_one_fetch_and_finds_nothing_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jwks, "MIN_INTERVAL", 0.05)
    loop = asyncio.get_running_loop()
    fetched: list[float] = []
    second = asyncio.Event()

    def read() -> bytes:
        fetched.append(loop.time())
        if len(fetched) == 2:
            loop.call_soon_threadsafe(second.set)
        return GOOD

    keys = KeySet("k", read)
    task = asyncio.create_task(keys.run())
    try:
        assert [keys.find(f"unknown{number}") for number in range(1_000)] == [None] * 1_000
        while not keys.is_loaded:
            await asyncio.to_thread(lambda: None)
        assert [keys.find(f"unknown{number}") for number in range(1_000)] == [None] * 1_000
        await second.wait()
        assert fetched[1] - fetched[0] >= 0.05
        assert len(fetched) == 2
    finally:
        task.cancel()


def test_a_file_of_any_size_is_read_no_further_than_the_bound(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(b" " * (jwks.MAX_BYTES + 1))
    with pytest.raises(KeySetError, match="at most 262144 bytes"):
        reader_of(str(file))()


# --- over TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.fixture
def serve(certificate: Path) -> Iterator[Callable[[Answer], str]]:
    """Starts an https server with one answer to everything. -> its address"""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answer(self)
                except OSError:
                    return  # the client has heard enough

            def log_message(self, *args: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}/keys?tenant=1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def test_keys_are_fetched_over_https(serve: Callable[[Answer], str], trusting: ssl.SSLContext) -> None:
    paths: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        paths.append(handler.path)
        reply(handler, 200, GOOD)

    keys = KeySet("k", reader_of(serve(answer), context=trusting))
    keys.load()
    assert keys.find("r1") is not None
    assert paths == ["/keys?tenant=1"]


def test_id3_a_certificate_that_is_not_trusted_is_refused(serve: Callable[[Answer], str]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        reader_of(serve(lambda handler: reply(handler, 200, GOOD)))()


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
def test_id3_a_redirect_is_not_followed(serve: Callable[[Answer], str], trusting: ssl.SSLContext, status: int) -> None:
    target = serve(lambda handler: reply(handler, 200, GOOD))
    url = serve(lambda handler: reply(handler, status, b"", Location=target))
    with pytest.raises(KeySetError, match=f"came {status}"):
        reader_of(url, context=trusting)()


def test_id3_a_huge_set_is_cut_off(serve: Callable[[Answer], str], trusting: ssl.SSLContext) -> None:
    url = serve(lambda handler: reply(handler, 200, b" " * (jwks.MAX_BYTES + 1)))
    with pytest.raises(KeySetError, match="at most 262144 bytes"):
        reader_of(url, context=trusting)()


def test_id3_a_trickling_answer_is_given_up(
    serve: Callable[[Answer], str], trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "TIMEOUT", 0.2)
    gone = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not gone.wait(0.02):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    try:
        with pytest.raises(KeySetError, match=r"within 0\.2 s"):
            reader_of(serve(trickle), context=trusting)()
    finally:
        gone.set()
