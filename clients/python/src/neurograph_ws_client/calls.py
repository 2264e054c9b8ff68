# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""What an application asks of the hub: publish, emit, ping, and messages as they stand in the protocol."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .channels import Channel
from .effects import Resolve
from .errors import ProtocolViolation
from .link import Link
from .names import check_name
from .restoring import ReconnectionToken
from .vectors import Vector, as_numbers, as_rows, refused

if TYPE_CHECKING:
    from .answers import Emitted, Published
    from .compression import Encoded

T = TypeVar("T")

# Bytes of a payload that are encoded on the loop: some milliseconds.
AT_ONCE = 131_072

AUTO: Any = object()
"""As `mid`: a name made here, so that a publish may be repeated after a cut without being stored twice."""


class Calls:
    """Questions with answers, over whichever connection is in order."""

    def __init__(self, link: Link, timeout: float) -> None:
        self._link = link
        self._timeout = timeout
        self._mid_prefix, self._mids = secrets.token_urlsafe(9), 0

    async def publish(
        self,
        channel: Channel | str,
        data: Any = None,
        *,
        event: str = "message",
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        mid: str | None = AUTO,
        timeout: float | None = None,
        retry: bool = False,
    ) -> "Published":
        """Store an event; resolves with its position once it is stored (M30).

        With a `mid` (by default a new one) it is repeated after a cut or a fault of the hub until its time-out,
        without being stored twice. `retry=True` waits once where the hub says that it came too fast.
        """
        name = check_name("channel", channel)
        message = {"type": "publish", "channel": name, "event": event, "data": data}
        optional = {"key": key, "tags": tags, "mid": self._new_mid() if mid is AUTO else mid}
        answer = await self._ask(message, optional, timeout, retry=retry)
        return _published(answer.answer, name)

    async def publish_media(
        self,
        channel: Channel | str,
        payload: bytes,
        *,
        event: str,
        content_type: str,
        meta: Mapping[str, str | float | bool] | None = None,
        encoding: Literal["auto", "gzip", "zlib", "deflate"] | None = "auto",
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        mid: str | None = AUTO,
        timeout: float | None = None,
        retry: bool = False,
    ) -> "Published":
        """Store bytes: an image, sound, anything that has a media type; resolves like `publish`.

        `meta` says more of it: format, width, height, duration, sample_rate, others (B6). With `encoding="auto"` the
        payload is encoded where that is worth it and the hub can decode it (B10); a name says that `payload` is encoded
        so already, None that it goes as it is. Subscribers get it byte for byte, or decoded if they do not decode.
        """
        if not isinstance(payload, bytes | bytearray | memoryview):
            raise refused("payload", "bytes", payload)
        name, content = check_name("channel", channel), payload
        chosen: str | None = encoding
        if encoding == "auto":
            content, chosen = await self._encoded(payload, content_type)
        message = {"type": "publish", "channel": name, "event": event, "content_type": content_type, "data": content}
        optional = {"meta": meta, "content_encoding": chosen, "key": key, "tags": tags}
        optional["mid"] = self._new_mid() if mid is AUTO else mid
        answer = await self._ask(message, optional, timeout, retry=retry)
        return _published(answer.answer, name)

    async def _encoded(self, payload: bytes, content_type: str) -> "Encoded":
        """`payload` by the compressor's choice; a large one in a thread, which holds nothing up."""
        from .compression import Encoded, default_compressor  # noqa: PLC0415 - most publish no media

        if len(payload) > AT_ONCE:
            encoded = await asyncio.to_thread(default_compressor.compress, payload, content_type)
        else:
            encoded = default_compressor.compress(payload, content_type)
        welcome = self._link.session.welcome
        served = () if welcome is None else welcome.encodings
        return encoded if encoded.encoding in served else Encoded(payload, None)

    async def emit(
        self,
        event_type: str,
        vector: Vector,
        *,
        priority: int = 128,
        payload: Any = None,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        mid: str | None = None,
        retry: bool = False,
    ) -> "Emitted":
        """Send a signal through the SignalSystem: the answer says its token, whether it is novel, and what is near.

        With a `mid` the answer waits for the store and carries the position (M35).
        """
        message = {"type": "emit", "event_type": event_type, "vector": as_numbers(vector), "priority": priority}
        optional = {"payload": payload, "key": key, "tags": tags, "mid": self._mid_of_signal(mid)}
        answer = await self._ask(message, optional, None, retry=retry)
        return _emitted(answer.answer)[0]

    async def emit_batch(
        self,
        event_type: str,
        vectors: Any,
        *,
        priority: int = 128,
        payload: Any = None,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        mid: str | None = None,
        retry: bool = False,
    ) -> "list[Emitted]":
        """Send many signals, from a sequence of vectors or a buffer of numbers; results in their order.

        More than `limits.emit_batch` go as several messages, of which the later ones wait when the hub asks for it.
        """
        rows, mid = as_rows(vectors), self._mid_of_signal(mid)
        welcome = self._link.session.welcome
        most = welcome.limits.emit_batch if welcome else max(1, len(rows))
        results: list[Emitted] = []
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            message = {"type": "emit", "event_type": event_type, "vectors": part, "priority": priority}
            named = mid if mid is None or len(rows) <= most else f"{mid}.{start}"
            optional = {"payload": payload, "key": key, "tags": tags, "mid": named}
            answer = await self._ask(message, optional, None, retry=retry or start > 0)
            results += _emitted(answer.answer)
        return results

    async def emit_text(
        self,
        text: str,
        *,
        event_type: str = "signal.input.text",
        priority: int = 200,
        include_text: bool = False,
        tags: Mapping[str, str] | None = None,
        retry: bool = False,
    ) -> "Emitted":
        """Emit a text by the built-in encoder; the text itself leaves this process only with `include_text`."""
        from .encoder import encode_text  # noqa: PLC0415 - its table of characters is large

        if not isinstance(text, str):
            raise refused("text", "a string", text)
        payload = {"text": text} if include_text else None
        return await self.emit(
            event_type, encode_text(text), priority=priority, payload=payload, tags=tags, retry=retry
        )

    async def ping(self) -> float:
        """Seconds until the hub answered."""
        answer = await self._ask({"type": "ping", "t": round(monotonic() * 1e6)}, {}, None)
        self._link.session.rtt = answer.took
        return answer.took

    async def get_reconnection_token(self) -> ReconnectionToken:
        """Ask for a fresh reconnection token (R1); the client keeps the newest by itself."""
        answer = (await self._ask({"type": "get_reconnection_token"}, {}, None)).answer
        return _read(ReconnectionToken.from_wire, answer)

    async def send(self, message: Mapping[str, Any]) -> None:
        """Write a message as it stands in PROTOCOL.md; an answer to it is not awaited."""
        await self._link.send(message)

    async def request(self, message: Mapping[str, Any], timeout: float | None = None) -> Mapping[str, Any]:
        """Write a message and return the one that answers it, raising its error; an `id` is given to it."""
        return (await self._ask(message, {}, timeout)).answer

    async def _ask(
        self, message: Mapping[str, Any], optional: Mapping[str, Any], timeout: float | None, *, retry: bool = False
    ) -> Resolve:
        given = {member: value for member, value in optional.items() if value is not None}
        return await self._link.request(
            {**message, **given},
            self._timeout if timeout is None else timeout,
            is_repeatable="mid" in given,
            is_patient=retry,
        )

    def _mid_of_signal(self, given: str | None) -> str | None:
        """What waits for a connection carries a `mid`, so that it is stored once; else only if it was asked for."""
        return self._new_mid() if given is None and self._link.session.queues else given

    def _new_mid(self) -> str:
        self._mids += 1
        return f"{self._mid_prefix}-{self._mids}"


def _published(answer: Mapping[str, Any], channel: str) -> "Published":
    from .answers import Published  # noqa: PLC0415 - who has an answer has a connection

    return _read(Published.from_wire, answer, channel)


def _emitted(answer: Mapping[str, Any]) -> "list[Emitted]":
    from .answers import emitted_from  # noqa: PLC0415

    return _read(emitted_from, answer)


def _read(reader: Callable[..., T], *answer: Any) -> T:
    """Read an answer; one that is not as the protocol says is the hub's fault, not the caller's."""
    try:
        return reader(*answer)
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise ProtocolViolation(f"the hub's answer does not read as the protocol says: {fault!r}") from fault
