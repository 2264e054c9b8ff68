"""A small hub in the process, for tests of applications: real sockets on a free port, a log per channel, no server.

    async with FakeHub() as hub, NeurographWSClient(hub.url) as client:
        client.subscribe("actions", handler)
        await hub.asked("subscribe")
        hub.publish("actions", {"service": "api"}, event="deploy.started")

It keeps the shapes and the order of PROTOCOL.md and none of its limits. What it cannot do by itself is scripted:
`answer_next`, `push`, `cut`, `close_all`, `refuse`, `is_mute`, `restart_epoch`.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import dist
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from .channels import Channel
from .codec import JsonCodec

ALL_RIGHTS = ("subscribe", "broadcast", "emit")


@dataclass
class Log:
    """What a channel holds."""

    epoch: str = "fake1"
    entries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def head(self) -> str:
        """The position of the newest entry."""
        return f"{self.epoch}:{len(self.entries)}"


@dataclass(eq=False)
class Peer:
    """One client that is connected."""

    socket: ServerConnection
    name: str
    role: str
    channels: set[str] = field(default_factory=set)

    def say(self, *messages: Mapping[str, Any]) -> None:
        """Write messages, several as one array."""
        body = messages[0] if len(messages) == 1 else list(messages)
        self.socket.protocol.send_text(json.dumps(body).encode())
        self.socket.send_data()


class FakeHub:
    """A hub to test against. `tokens` maps credentials to roles; without it everybody is a developer."""

    def __init__(
        self,
        *,
        tokens: Mapping[str, str] | None = None,
        rights: Mapping[str, tuple[str, ...]] | None = None,
        welcome: Mapping[str, Any] | None = None,
    ) -> None:
        self.tokens = tokens
        self.rights = dict(rights) if rights is not None else dict.fromkeys(map(str, Channel), ALL_RIGHTS)
        self.welcome_with = dict(welcome or {})
        self.is_mute = False
        self.logs: defaultdict[str, Log] = defaultdict(Log)
        self.peers: list[Peer] = []
        self.received: list[dict[str, Any]] = []
        self.handshakes: list[Request] = []
        self._scripted: defaultdict[str, deque[Mapping[str, Any]]] = defaultdict(deque)
        self._refusals: deque[tuple[int, Mapping[str, str]]] = deque()
        self._signals: list[list[float]] = []
        self._mids: dict[str, str] = {}
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

    async def asked(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until clients have sent that many messages of a type, and return them."""
        while len(found := [message for message in self.received if message.get("type") == kind]) < count:
            self._news.clear()
            await self._news.wait()
        return found

    def publish(self, channel: str, data: Any = None, *, event: str = "message", **members: Any) -> str:
        """Store an event and send it to who follows the channel; its position."""
        log = self.logs[channel]
        entry = {"type": "event", "channel": channel, "offset": len(log.entries) + 1, "event": event}
        entry |= {"ts": time.time(), "data": data, **members}
        log.entries.append(entry)
        for peer in self.peers:
            if channel in peer.channels:
                peer.say(entry)
        return log.head

    def restart_epoch(self, channel: str) -> None:
        """Lose the past of a channel, as a hub without a durable log does when it restarts."""
        number = int(self.logs[channel].epoch.removeprefix("fake")) + 1
        self.logs[channel] = Log(epoch=f"fake{number}")

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
        try:
            if not self.is_mute:
                peer.say(self._welcome(peer, {}))
            async for payload in socket:
                self._take(peer, json.loads(payload))
        except ConnectionClosed:
            return
        finally:
            self.peers.remove(peer)

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
        handler = getattr(self, f"_on_{kind}", None)
        answer = handler(peer, message) if handler else _error(400, "unknown_type", f"{kind} is unknown")
        if named or kind not in {"publish", "emit"} or answer["type"] == "error":
            peer.say({**answer, **named})
        for entry in self._owed_at_start(peer, message) if answer["type"] == "subscribed" else ():
            peer.say(entry)

    def _welcome(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type": "welcome",
            "conn": peer.name,
            "session": f"s-{peer.name}",
            "node": "fake",
            "version": "1",
            "role": peer.role,
            "resumed": False,
            "heartbeat": {"interval": 30, "timeout": 10},
            "limits": {},
            "encodings": [],
            "channels": {channel: {"rights": list(rights)} for channel, rights in self.rights.items()},
            **self.welcome_with,
        }

    _on_connect = _welcome

    def _on_ping(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "pong", "ts": time.time(), **({"t": message["t"]} if "t" in message else {})}

    def _on_subscribe(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        told, errors = {}, {}
        for channel in _channels(message):
            rights = self.rights.get(channel)
            if rights is None:
                errors[channel] = _error(404, "unknown_channel", f"{channel} is not configured", channel=channel)
            elif "subscribe" not in rights:
                errors[channel] = _error(403, "forbidden", f"may not subscribe to {channel}", channel=channel)
            else:
                peer.channels.add(channel)
                told[channel] = self._subscription(channel, message)
        if not told:
            return {**next(iter(errors.values())), **({"errors": errors} if len(errors) > 1 else {})}
        return {"type": "subscribed", "channels": told, **({"errors": errors} if errors else {})}

    def _subscription(self, channel: str, message: Mapping[str, Any]) -> dict[str, Any]:
        log = self.logs[channel]
        delivery = message.get("delivery", "latest" if channel in {"metrics", "status", "connections"} else "all")
        behind = len(log.entries) - self._start(channel, message, delivery)
        position = f"{log.epoch}:{len(log.entries) - behind}"
        return {"position": position, "behind": behind, "delivery": delivery, "on_slow": message.get("on_slow", "gap")}

    def _start(self, channel: str, message: Mapping[str, Any], delivery: str) -> int:
        """The offset a subscription starts at (M24)."""
        head = len(self.logs[channel].entries)
        match message.get("from", "snapshot" if delivery == "latest" else "new"):
            case "snapshot":
                return 0
            case {"last": int(count)}:
                return max(0, head - count)
        return head

    def _owed_at_start(self, peer: Peer, message: Mapping[str, Any]) -> list[dict[str, Any]]:
        owed: list[dict[str, Any]] = []
        for channel in _channels(message):
            if channel not in peer.channels:
                continue
            about = self._subscription(channel, message)
            entries = self.logs[channel].entries[len(self.logs[channel].entries) - about["behind"] :]
            if about["delivery"] == "latest":
                newest = {entry.get("key", entry["event"]): entry for entry in entries}
                entries = sorted(newest.values(), key=lambda entry: int(entry["offset"]))
            owed += entries
        return owed

    def _on_unsubscribe(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        peer.channels.difference_update(_channels(message))
        return {"type": "unsubscribed", "channels": _channels(message), "code": 0, "reason": "client"}

    def _on_publish(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        channel, mid = message["channel"], message.get("mid")
        if "broadcast" not in self.rights.get(channel, ()):
            return _error(403, "forbidden", f"may not broadcast on {channel}", channel=channel, re="publish")
        if mid in self._mids:
            return {"type": "ack", "positions": {channel: self._mids[mid]}, "duplicate": True}
        members = {name: message[name] for name in ("key", "tags") if name in message}
        position = self.publish(channel, message.get("data"), event=message["event"], **members)
        if mid is not None:
            self._mids[mid] = position
        return {"type": "ack", "positions": {channel: position}}

    def _on_emit(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        vectors = message.get("vectors") or [message["vector"]]
        if any(len(vector) != 8 for vector in vectors):
            return _error(422, "vector_invalid", f"expected 8 numbers, got {len(vectors[0])}", path="vector", re="emit")
        results = [self._process(message, vector) for vector in vectors]
        body = {"results": results} if "vectors" in message else results[0]
        stored = {"position": self.logs["signals"].head} if "mid" in message else {}
        return {"type": "emitted", **body, "processing_time_us": 1.0, **stored}

    def _process(self, message: Mapping[str, Any], vector: list[float]) -> dict[str, Any]:
        near = sorted((dist(vector, other), token) for token, other in enumerate(self._signals))[:10]
        neighbors = [{"token_id": token, "distance": distance} for distance, token in near if distance <= 0.3]
        result = {"token_id": len(self._signals), "is_novel": not near or near[0][0] > 0.1, "neighbors": neighbors}
        self._signals.append(vector)
        data = {**result, "vector": vector, "priority": message.get("priority", 128)}
        data |= {"payload": message["payload"]} if "payload" in message else {}
        self.publish("signals", data, event=message["event_type"])
        return result


def _channels(message: Mapping[str, Any]) -> list[str]:
    return message.get("channels") or [message["channel"]]


def _error(code: int, error: str, text: str, **members: Any) -> dict[str, Any]:
    return {"type": "error", "code": code, "error": error, "message": text, "temporary": code >= 429, **members}
