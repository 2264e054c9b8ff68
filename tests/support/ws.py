"""`Peer`: a bare WebSocket client over the `websockets` library, without any of our client's code."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self

import msgpack  # type: ignore[import-untyped]
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.hub import RunningHub
from tests.support.media import media_frame, read_media

PATIENCE = 10.0
MSGPACK = "ng-ws.v1.msgpack"


class Peer:
    """One connection to a hub. Everything received is kept in `received`; every wait has an end."""

    def __init__(
        self,
        hub: RunningHub,
        role: str | None = None,
        *,
        subject: str | None = None,
        token: str | None = None,
        subprotocols: tuple[str, ...] = (),
        query: str = "",
        headers: dict[str, str] | None = None,
        reads: bool = True,
        compression: str | None = None,
    ) -> None:
        credential = token or (hub.token(role, subject) if role else None)
        bearer = {"Authorization": f"Bearer {credential}"} if credential else {}
        self._stack = ExitStack()
        connecting = connect(
            hub.url + query,
            additional_headers={**bearer, **(headers or {})},
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=compression,
            open_timeout=PATIENCE,
            close_timeout=PATIENCE,
            ping_interval=None,
            max_size=None,
        )
        self.socket: ClientConnection = self._stack.enter_context(connecting)
        self.received: list[dict[str, Any]] = []
        self._ids = count(1)
        self._pending: list[dict[str, Any]] = []
        self.welcome = self.next("welcome") if reads else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def subprotocol(self) -> str | None:
        """What the server chose."""
        return self.socket.subprotocol

    def send(self, *messages: dict[str, Any] | list[Any] | str | bytes) -> None:
        """Each as a frame of its own: dicts and lists encoded, text and bytes as they are."""
        for message in messages:
            if isinstance(message, (str, bytes)):
                self.socket.send(message)
            else:
                self.socket.send(msgpack.packb(message) if self.subprotocol == MSGPACK else json.dumps(message))

    def receive(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """The next message; `TimeoutError` if none comes."""
        if not self._pending:
            frame = self.socket.recv(timeout)
            decoded = self._decode(frame)
            self._pending = decoded if isinstance(decoded, list) else [decoded]
        message = self._pending.pop(0)
        self.received.append(message)
        return message

    def _decode(self, frame: str | bytes) -> Any:
        if isinstance(frame, str):
            return json.loads(frame)
        return msgpack.unpackb(frame) if self.subprotocol == MSGPACK else read_media(frame)

    def ask_media(self, payload: bytes, **message: Any) -> dict[str, Any]:
        """Publish `payload` in the form of the subprotocol, with a fresh id; the answer that carries it."""
        number = next(self._ids)
        given = {"type": "publish", **message, "id": number}
        self.send({**given, "data": payload} if self.subprotocol == MSGPACK else media_frame(given, payload))
        return self.until(lambda answer: answer.get("id") == number)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that `wanted` accepts; what comes before it is passed over."""
        while True:
            message = self.receive()
            if wanted(message):
                return message

    def next(self, kind: str, **members: Any) -> dict[str, Any]:
        """The next message of type `kind` with these members."""
        return self.until(lambda message: message["type"] == kind and members.items() <= message.items())

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send `message` with a fresh id; the answer that carries it."""
        number = next(self._ids)
        self.send({**message, "id": number})
        return self.until(lambda answer: answer.get("id") == number)

    def events(self, channel: str, number: int) -> list[dict[str, Any]]:
        """The next `number` events of `channel`."""
        return [self.next("event", channel=channel) for _ in range(number)]

    def quiet(self) -> list[dict[str, Any]]:
        """Everything that comes before the answer to a ping sent now: what the server had to say so far.

        A `pong` may overtake events (M8), so this shows the absence of answers, not of events.
        """
        before = len(self.received)
        self.ask(type="ping")
        return self.received[before:-1]

    def closed(self) -> tuple[int, str]:
        """Code and reason of the server's close frame; waits for it."""
        try:
            while True:
                self.receive()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


def refused(hub: RunningHub, **options: Any) -> tuple[int, dict[str, str]]:
    """Status and headers (their names in lower case) of a handshake that is not upgraded."""
    try:
        with Peer(hub, reads=False, **options):
            return 101, {}
    except InvalidStatus as error:
        return error.response.status_code, {name.lower(): text for name, text in error.response.headers.raw_items()}
