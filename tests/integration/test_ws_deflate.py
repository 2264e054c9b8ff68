"""permessage-deflate over real sockets, with the `websockets` library as the peer (B2, B3)."""

import itertools
import json
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from tests.support.hub import PRODUCTION, RunningHub
from tests.support.ws import MSGPACK, Peer

REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
)
OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
TEXT, COMPRESSED, FIN = 0x01, 0x40, 0x80
LARGE = {"series": [{"name": f"cpu{number}", "value": number * 1.5} for number in range(40)]}


@pytest.fixture
def hub() -> Iterator[RunningHub]:
    with RunningHub(byte_rate="268435456/268435456", test_echo=True) as running:
        yield running


class Raw:
    """A socket that speaks frames, and shows those that come."""

    def __init__(self, hub: RunningHub, headers: str = OFFER, path: str = "/ws") -> None:
        self.socket = socket.create_connection(("127.0.0.1", hub.port), timeout=20)
        self.socket.sendall(REQUEST.format(path=path, authority=hub.authority, headers=headers).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def extensions(self) -> str | None:
        for line in self.head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "sec-websocket-extensions":
                return value
        return None

    def _more(self) -> None:
        received = self.socket.recv(1 << 20)
        assert received, f"the connection ended after {self.buffer[:200]!r}"
        self.buffer += received

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def frame(self) -> tuple[int, bytes]:
        first, length = self._take(2)
        if length == 126:
            (length,) = struct.unpack(">H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._take(8))
        return first, self._take(length)

    def message(self) -> tuple[bool, bytes, int]:
        """(whether it came compressed, its payload decompressed, the number of its frames)"""
        first, payload = self.frame()
        fin, count = first & FIN, 1
        while not fin:
            more, part = self.frame()
            assert more & 0x7F == 0, "continuation frames have no bits"
            payload, fin, count = payload + part, more & FIN, count + 1
        if first & COMPRESSED:
            return True, zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff"), count
        return False, payload, count

    def until(self, kind: str) -> tuple[bool, dict[str, Any], int]:
        while True:
            compressed, payload, count = self.message()
            if payload[:1] == b"{" and (message := json.loads(payload))["type"] == kind:
                return compressed, message, count

    def send(self, first: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
        if size > 65_535:
            length = b"\xff" + struct.pack(">Q", size)
        self.socket.sendall(bytes([first]) + length + b"\0\0\0\0" + payload)

    def closed(self) -> tuple[int, str]:
        while True:
            first, payload = self.frame()
            if first & 0x0F == 8:
                return struct.unpack(">H", payload[:2])[0], payload[2:].decode()


def deflated(message: bytes, level: int = 9) -> bytes:
    encoder = zlib.compressobj(level, wbits=-15)
    return (encoder.compress(message) + encoder.flush(zlib.Z_SYNC_FLUSH))[:-4]


def text(**message: Any) -> bytes:
    return json.dumps(message).encode()


def publish(peer: Peer, data: Any) -> None:
    assert peer.ask(type="publish", channel="metrics", event="system_metrics", data=data)["type"] == "ack"


@pytest.mark.clause("B2")
@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        ("permessage-deflate; server_max_window_bits=10", None),
        ("permessage-deflate; server_max_window_bits=99", None),
        ("permessage-deflate; mode=fast", None),
    ],
)
def test_an_offer_is_answered_or_declined(hub: RunningHub, offer: str, answer: str | None) -> None:
    with Raw(hub, f"Sec-WebSocket-Extensions: {offer}\r\n") as peer:
        assert (peer.extensions, peer.head.split(b"\r\n")[0]) == (answer, b"HTTP/1.1 101 Switching Protocols")
        compressed, welcome, _ = peer.until("welcome")
        assert (compressed, welcome["role"]) == (answer is not None and len(json.dumps(welcome)) > 512, "anonymous")


@pytest.mark.clause("B2")
def test_a_relay_and_a_hub_that_shall_not_compress_decline() -> None:
    for options in ({"transport": "relay"}, {"deflate": False}):
        with RunningHub(**options) as hub, Raw(hub) as peer:
            assert peer.extensions is None
            assert peer.until("welcome")[0] is False


@pytest.mark.clause("B3")
@pytest.mark.accept("F1", "K4")
def test_events_of_512_bytes_and_more_are_compressed_for_those_who_negotiated_it(hub: RunningHub) -> None:
    with Raw(hub) as able, Raw(hub, "") as plain, Peer(hub, "admin") as admin:
        for peer in (able, plain):
            peer.send(FIN | TEXT, text(type="subscribe", channel="metrics", delivery="all", **{"from": "new"}))
            peer.until("subscribed")
        publish(admin, LARGE)
        publish(admin, {"cpu": 1})
        events = [[peer.until("event") for _ in range(2)] for peer in (able, plain)]
    assert [compressed for compressed, _, _ in events[0]] == [True, False]
    assert [compressed for compressed, _, _ in events[1]] == [False, False]
    assert [event for _, event, _ in events[0]] == [event for _, event, _ in events[1]]


@pytest.mark.clause("B1", "B3")
def test_a_long_compressed_message_is_fragmented(hub: RunningHub) -> None:
    noise = zlib.compress(bytes(200), 0).hex() + "".join(
        f"{number * 2_654_435_761 % 2**32:08x}" for number in range(40_000)
    )
    with Raw(hub) as able, Peer(hub, "admin") as admin:
        able.send(FIN | TEXT, text(type="subscribe", channel="metrics", delivery="all", **{"from": "new"}))
        able.until("subscribed")
        publish(admin, noise)
        compressed, event, frames = able.until("event")
    assert (compressed, event["data"]) == (True, noise)
    assert frames > 2


@pytest.mark.clause("B3")
@pytest.mark.parametrize("subprotocol", ["ng-ws.v1.json", MSGPACK])
def test_the_library_reads_and_writes_what_is_compressed(hub: RunningHub, subprotocol: str) -> None:
    with (
        Peer(hub, "admin", subprotocols=(subprotocol,), compression="deflate") as admin,
        Peer(hub, "developer", subprotocols=(subprotocol,), compression="deflate") as reader,
    ):
        assert [type(one).__name__ for one in reader.socket.protocol.extensions] == ["PerMessageDeflate"]
        reader.ask(type="subscribe", channel="metrics", delivery="all")
        for number in range(50):
            publish(admin, [LARGE, number])
        assert [event["data"][1] for event in reader.events("metrics", 50) if event["data"][0] == LARGE] == list(
            range(50)
        )
        admin.ask(type="subscribe", channel="metrics", delivery="all", **{"from": {"last": 50}})
        assert [event["data"][1] for event in admin.events("metrics", 50)] == list(range(50))
        before = hub.hub.plane.stats()["deflated"]
        admin.ask_media(b"0" * 5_000, channel="actions", event="x", content_type="text/plain")
        reader.ask(type="subscribe", channel="actions", **{"from": {"last": 1}})
        assert reader.events("actions", 1)[0]["data"] == b"0" * 5_000
        assert hub.hub.plane.stats()["deflated"] == before  # media never is


@pytest.mark.clause("B3", "L7", "L20")
@pytest.mark.parametrize("parts", [1, 7])
def test_a_bomb_is_413_and_costs_no_more_than_its_limit(hub: RunningHub, parts: int) -> None:
    bomb = deflated(b'{"type":"publish","data":"' + b"a" * (64 << 20) + b'"}')
    assert len(bomb) < 80_000
    with Raw(hub) as peer:
        peer.until("welcome")
        cuts = [len(bomb) * part // parts for part in range(parts + 1)]
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            first = (TEXT | COMPRESSED if number == 0 else 0) | (FIN if number == parts - 1 else 0)
            peer.send(first, bomb[start:end])
        _, error, _ = peer.until("error")
        assert (error["code"], error["error"], error["limit"]) == (413, "too_large", 1_048_576)
        peer.send(FIN | TEXT | COMPRESSED, deflated(text(type="ping", id=1)))
        assert peer.until("pong")[1]["id"] == 1
    stats: Any = hub.hub.plane.stats()
    assert (stats["bombs"], stats["unreadable"] >= 0) == (1, True)


@pytest.mark.clause("B3", "L8")
def test_before_a_required_login_the_limit_is_that_of_every_message() -> None:
    with RunningHub(**PRODUCTION, anonymous=False) as hub, Raw(hub) as peer:
        peer.send(FIN | TEXT | COMPRESSED, deflated(text(type="ping", t="x" * 70_000)))
        _, error, _ = peer.until("error")
        assert (error["code"], error["limit"]) == (413, 65_536)


@pytest.mark.clause("B3", "L10")
def test_what_is_far_too_large_on_the_wire_closes_with_4013(hub: RunningHub) -> None:
    with Raw(hub) as peer:
        peer.until("welcome")
        peer.socket.sendall(bytes([FIN | TEXT | COMPRESSED, 0xFF]) + struct.pack(">Q", 9 << 20) + b"\0\0\0\0")
        assert peer.closed()[0] == 4013


@pytest.mark.clause("B2", "M15")
@pytest.mark.parametrize(
    ("first", "payload", "code"),
    [
        (FIN | TEXT | COMPRESSED, b"\x07", 1007),
        (FIN | TEXT | COMPRESSED, deflated(b"{}") + b"junk", 1007),
        (FIN | TEXT | COMPRESSED, deflated(b"\xff\xfe"), 1007),
        (FIN | COMPRESSED | 9, b"", 1002),
        (FIN | COMPRESSED, b"", 1002),
        (FIN | TEXT | 0x20, b"{}", 1002),
    ],
)
def test_broken_compression_closes(hub: RunningHub, first: int, payload: bytes, code: int) -> None:
    with Raw(hub) as peer:
        peer.send(first, payload)
        assert peer.closed()[0] == code


@pytest.mark.clause("B2")
def test_without_negotiation_the_bit_is_a_fault(hub: RunningHub) -> None:
    with Raw(hub, "") as peer:
        peer.send(FIN | TEXT | COMPRESSED, deflated(b"{}"))
        assert peer.closed()[0] == 1002


@pytest.mark.clause("B2")
@pytest.mark.parametrize("message", [b"", b"a", b"\x00" * 100_000, bytes(range(256)) * 500])
def test_the_echo_answers_the_library_with_any_window(hub: RunningHub, message: bytes) -> None:
    for bits in (9, 15):
        factory = ClientPerMessageDeflateFactory(client_max_window_bits=bits)
        with connect(f"ws://{hub.authority}/echo", compression=None, extensions=[factory], max_size=None) as socket_:
            for _ in range(3):
                socket_.send(message)
                assert socket_.recv(timeout=20) == message


@pytest.mark.clause("L19", "L20")
def test_inflated_bytes_count_for_the_rate() -> None:
    """Compressed to a thousandth, they are not read a thousand times as fast."""
    with RunningHub(byte_rate="2097152/1") as hub, Raw(hub) as peer:
        peer.until("welcome")
        large = deflated(text(type="publish", channel="logs", event="x", data="a" * 900_000))
        assert len(large) < 5_000
        for _ in range(6):
            peer.send(FIN | TEXT | COMPRESSED, large)
        refused = [peer.until("error")[1]["error"] for _ in range(3)]
        assert refused == ["forbidden"] * 3
        peer.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            peer.until("error")


@pytest.mark.clause("B3")
def test_what_was_compressed_is_counted(hub: RunningHub) -> None:
    with Raw(hub) as peer, Peer(hub, "admin") as admin:
        asked = text(type="subscribe", channel="metrics", delivery="all", **{"from": "new"})
        peer.send(FIN | TEXT | COMPRESSED, deflated(asked))
        peer.until("subscribed")
        publish(admin, LARGE)
        assert peer.until("event")[0]
        page = httpx.get(f"{hub.http_url}/metrics", headers=hub.headers("admin")).text
    figures = dict(
        line.split(" ") for line in page.splitlines() if line.startswith("neurograph_ws_") and "{" not in line
    )
    count: Callable[[str], float] = lambda name: float(figures[f"neurograph_ws_{name}_total"])  # noqa: E731
    assert count("deflated") >= 1
    assert count("deflate_out_bytes") < count("deflate_in_bytes") / 2
    assert (count("inflated"), count("bombs")) == (1, 0)
    assert count("inflate_in_bytes") < count("inflate_out_bytes") + 20
