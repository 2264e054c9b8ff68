# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""The small hub itself: what tests tell it, and its end of the connections."""

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ..codec import JsonCodec
from .desk import Desk
from .log import Log
from .peer import Peer

# How long what a test waits for may take, in seconds.
WITHIN = 5.0


class FakeHub(Desk):
    """A hub to test against. `tokens` maps credentials to roles; without it everybody is a developer.

    `keep` bounds each log to its newest entries, so that an older position is answered by a gap.
    """

    def __init__(
        self,
        *,
        tokens: Mapping[str, str] | None = None,
        rights: Mapping[str, tuple[str, ...]] | None = None,
        welcome: Mapping[str, Any] | None = None,
        keep: int | None = None,
    ) -> None:
        super().__init__(rights, welcome, keep)
        self.tokens = tokens
        self.is_mute = False
        self.received: list[dict[str, Any]] = []
        self.handshakes: list[Request] = []
        self._scripted: defaultdict[str, deque[Mapping[str, Any]]] = defaultdict(deque)
        self._refusals: deque[tuple[int, Mapping[str, str]]] = deque()
        self._news = asyncio.Event()
        self._server: Server | None = None

    # -- for tests -------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("the hub is not started: use it as a context manager")
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/ws"

    async def start(self, port: int = 0) -> None:
        """Listen on a port, by default a free one."""
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            port,
            subprotocols=[Subprotocol(JsonCodec.subprotocol)],
            process_request=self._upgrade,
            compression=None,
            ping_interval=None,
            close_timeout=1,
        )

    async def stop(self) -> None:
        """Cut every connection and stop listening; the logs stay."""
        self.cut()
        self._forget_timers()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def asked(self, kind: str, count: int = 1, *, timeout: float = WITHIN) -> list[dict[str, Any]]:
        """Wait until clients have sent that many messages of a type, and return them; TimeoutError tells how many."""
        await self._until(lambda: len(self._asked(kind)) >= count, timeout, lambda: self._told(kind, count))
        return self._asked(kind)

    async def connected(self, count: int, *, timeout: float = WITHIN) -> None:
        """Wait until that many clients are connected; TimeoutError tells how many there are."""
        text = "expected {} connections, have {}".format
        await self._until(lambda: len(self.peers) == count, timeout, lambda: text(count, len(self.peers)))

    def _asked(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.received if message.get("type") == kind]

    def _told(self, kind: str, count: int) -> str:
        came = dict(Counter(message.get("type") for message in self.received))
        return f"expected {count} messages of type {kind}, came {came}"

    async def _until(self, is_so: Callable[[], bool], timeout: float, text: Callable[[], str]) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not is_so():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"{text()} within {timeout:g} s") from None

    def restart_epoch(self, channel: str) -> None:
        """Lose the past of a channel, as a hub without a durable log does when it restarts."""
        number = int(self.logs[channel].epoch.removeprefix("fake")) + 1
        log = self.logs[channel] = Log(f"fake{number}", self.keep)
        for peer in self.peers:
            if channel in peer.following:
                peer.following[channel].rotate(log)
                peer.pump()

    def expire_tokens(self) -> None:
        """Let every reconnection token given out so far be too old (R5)."""
        self._tokens.expire()

    def goaway(
        self, reconnect_in: tuple[float, float] = (0, 0), deadline: float = 30, reason: str = "draining"
    ) -> None:
        """Ask every client to reconnect (M50); what still stands after `deadline` seconds is closed."""
        code = 4302 if reason == "rebalance" else 4301
        for peer in self.peers:
            peer.is_draining = True
            self._push_token(peer)
            peer.say({"type": "goaway", "reason": reason, "reconnect_in": list(reconnect_in), "deadline": deadline})
            self._later(deadline, lambda peer=peer: self._hang_up(peer, code, reason))

    def answer_next(self, kind: str, answer: Mapping[str, Any]) -> None:
        """Answer the next message of a type with this, its `id` added; an empty one gives no answer."""
        self._scripted[kind].append(answer)

    def push(self, *messages: Mapping[str, Any]) -> None:
        """Send messages to every client as they are."""
        for peer in self.peers:
            peer.say(*messages)

    def push_raw(self, payload: bytes) -> None:
        """Send a text frame as it is."""
        for peer in self.peers:
            peer.socket.protocol.send_text(payload)
            peer.socket.send_data()

    def cut(self) -> None:
        """Lose every connection without a close frame."""
        for peer in self.peers:
            peer.socket.transport.abort()

    async def close_all(self, code: int, reason: str = "") -> None:
        """Close every connection with a code."""
        for peer in tuple(self.peers):
            await peer.socket.close(code, reason)

    def refuse(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Answer the next handshake with an HTTP status."""
        self._refusals.append((status, headers or {}))

    # -- the hub's side --------------------------------------------------------------------------------------------

    def _upgrade(self, socket: ServerConnection, request: Request) -> Response | None:
        self.handshakes.append(request)
        if not self._refusals:
            return None
        status, headers = self._refusals.popleft()
        response = socket.respond(HTTPStatus(status), "refused by the test\n")
        response.headers.update(headers)
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        request = socket.request
        token = (request.headers.get("Authorization", "") if request else "").removeprefix("Bearer ")
        if self.tokens is not None and token not in self.tokens:
            await socket.close(4101, "token_invalid" if token else "login_required")
            return
        role = "developer" if self.tokens is None else self.tokens[token]
        peer = Peer(socket, f"c-{len(self.handshakes):x}", role)
        self.peers.append(peer)
        self._news.set()
        try:
            if not self.is_mute:
                self._greet(peer, parse_qs(urlsplit(request.path if request else "").query))
            async for payload in socket:
                self._take(peer, json.loads(payload))
        except ConnectionClosed:
            return
        finally:
            self.peers.remove(peer)
            self._news.set()
            if (socket.close_code, socket.close_reason) == (1000, "forget") and peer.session.peer is peer:
                peer.session.is_forgotten = True

    def _greet(self, peer: Peer, query: Mapping[str, Sequence[str]]) -> None:
        """The first word (C13); a token in the URL is a resume, and one that is not good changes nothing (R6)."""
        token = query.get("reconnection_token", [""])[0]
        answer = self._on_connect(peer, {"resume": token} if token else {})
        if answer["type"] == "error":
            peer.say({**answer, "re": "connect"})
            answer = self._on_connect(peer, {})
        peer.say(answer)
        self._after(peer, answer)

    def _take(self, peer: Peer, body: Any) -> None:
        for message in body if isinstance(body, list) else [body]:
            self.received.append(message)
            self._news.set()
            if not self.is_mute:
                self._answer(peer, message)

    def _answer(self, peer: Peer, message: dict[str, Any]) -> None:
        kind = message.get("type", "")
        named = {"id": message["id"]} if "id" in message else {}
        if self._scripted[kind]:
            scripted = self._scripted[kind].popleft()
            if scripted:
                peer.say({**scripted, **named})
            return
        if kind == "ack":
            self._acknowledged(peer, message.get("positions") or {})
            return
        answer = self._answer_to(kind, peer, message)
        if named or kind not in {"publish", "emit"} or answer["type"] == "error":
            peer.say({**answer, **named})
        self._after(peer, answer)
