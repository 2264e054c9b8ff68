"""What the small hub answers: each message of a client, and what follows it in the stream."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from math import dist
from typing import Any

from ..channels import Channel
from ..positions import Position
from .log import Begin, Log, begin_at, capped
from .peer import Following, Peer
from .sessions import Refusal, Tokens

ALL_RIGHTS = ("subscribe", "broadcast", "emit")

# A cursor that moved without events is told after this long (P9).
WATERMARK_AFTER = 1.0
LATEST = frozenset({"metrics", "status", "connections"})


class Desk:
    """Logs, rights and sessions of the small hub, and an answer for each kind of message."""

    def __init__(
        self, rights: Mapping[str, tuple[str, ...]] | None, welcome: Mapping[str, Any] | None, keep: int | None
    ) -> None:
        self.rights = dict(rights) if rights is not None else dict.fromkeys(map(str, Channel), ALL_RIGHTS)
        self.welcome_with = dict(welcome or {})
        self.keep = keep
        self.logs: defaultdict[str, Log] = defaultdict(lambda: Log(keep=keep))
        self.peers: list[Peer] = []
        self._signals: list[list[float]] = []
        self._mids: dict[str, str] = {}
        self._emitted: dict[str, dict[str, Any]] = {}
        self._tokens = Tokens()
        self._timers: set[asyncio.TimerHandle] = set()

    def publish(
        self, channel: str, data: Any = None, *, event: str = "message", is_hidden: bool = False, **members: Any
    ) -> str:
        """Store an event and send it to who follows the channel; its position.

        One that `is_hidden` is owed to nobody, as if a filter held it back: cursors pass it, told by a watermark.
        """
        log = self.logs[channel]
        entry = {"type": "event", "channel": channel, "offset": log.end + 1, "event": event}
        log.append(entry | {"ts": time.time(), "data": data, **members}, is_hidden=is_hidden)
        for peer in self.peers:
            peer.pump()
        if is_hidden:
            self._later(WATERMARK_AFTER, self.watermark)
        return log.head

    def watermark(self) -> None:
        """Tell every client how far its subscriptions are (P9)."""
        for peer in self.peers:
            peer.watermarks()

    def _answer_to(self, kind: str, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a message of a kind, without its `id`."""
        handler = getattr(self, f"_on_{kind}", None)
        return handler(peer, message) if handler else _error(400, "unknown_type", f"{kind} is unknown")

    def _after(self, peer: Peer, answer: Mapping[str, Any]) -> None:
        """What follows an answer in the stream (M9, R4, R11)."""
        if answer.get("resumed"):
            old, peer.session.peer = peer.session.peer, peer
            if old is not peer:
                old.following.clear()
                self._hang_up(old, 4009, "taken_over")
        peer.pump()
        if answer.get("resumed") or answer["type"] in {"subscribed", "unsubscribed"}:
            self._push_token(peer)

    def _push_token(self, peer: Peer) -> None:
        if peer.session.is_asked and peer.session.peer is peer:
            peer.say(self._tokens.issue(peer))

    def _acknowledged(self, peer: Peer, positions: Mapping[str, str]) -> None:
        for channel, text in positions.items():
            if channel in peer.following:
                peer.following[channel].acknowledge(text)
        peer.pump()

    def _hang_up(self, peer: Peer, code: int, reason: str) -> None:
        asyncio.ensure_future(peer.socket.close(code, reason))  # noqa: RUF006 - the server waits for its sockets

    def _later(self, wait: float, action: Any) -> None:
        timer: asyncio.TimerHandle

        def run() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(wait, run)
        self._timers.add(timer)

    def _forget_timers(self) -> None:
        """Nothing that was put off happens any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # -- kinds of messages -------------------------------------------------------------------------------------------

    def _on_get_reconnection_token(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        return self._tokens.issue(peer)

    def welcome_of(self, peer: Peer) -> dict[str, Any]:
        """The welcome of a client (M41)."""
        return {
            "type": "welcome",
            "conn": peer.name,
            "session": peer.session.name,
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

    def _on_connect(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        if peer.is_draining:
            return _error(503, "draining", "this hub is draining")
        if "resume" not in message:
            return self.welcome_of(peer)
        sealed = self._tokens.open(message["resume"], peer)
        if isinstance(sealed, Refusal):
            return _error(sealed.code, sealed.error, "the token is not good")
        session, old = sealed.session, sealed.session.peer.following
        peer.session, peer.role = session, session.role
        begins, errors = {}, {}
        for channel, (options, sealed_at) in sealed.subscriptions.items():
            refusal = self._refusal(channel)
            if refusal is not None:
                errors[channel] = refusal
                continue
            # R8: the client's own word, else the token's position or the last acknowledged one.
            acked = old[channel].acked if channel in old else sealed_at
            later = acked if Position.parse(acked).reaches(Position.parse(sealed_at)) else sealed_at
            text = (message.get("positions") or {}).get(channel, later)
            begins[channel] = (options, begin_at(self.logs[channel], text))
        told = self._follow(peer, begins)
        return {
            **self.welcome_of(peer),
            "resumed": True,
            "subscriptions": told,
            **({"errors": errors} if errors else {}),
        }

    def _refusal(self, channel: str) -> dict[str, Any] | None:
        rights = self.rights.get(channel)
        if rights is None:
            return _error(404, "unknown_channel", f"{channel} is not configured", channel=channel)
        if "subscribe" not in rights:
            return _error(403, "forbidden", f"may not subscribe to {channel}", channel=channel)
        return None

    def _follow(self, peer: Peer, begins: Mapping[str, tuple[Mapping[str, Any], Begin]]) -> dict[str, Any]:
        """Follow channels; replays from positions and times are cut together (R9)."""
        cut = {
            channel: (self.logs[channel], begin)
            for channel, (options, begin) in begins.items()
            if options["delivery"] == "all" and not begin.is_uncut
        }
        starts = capped(cut, int(self.welcome_with.get("limits", {}).get("resume_events", 1000)))
        for channel, (options, begin) in begins.items():
            start = starts.get(channel, begin)
            peer.following[channel] = Following(channel, self.logs[channel], start, options["delivery"], options)
        return {channel: peer.following[channel].about() for channel in begins}

    def _on_subscribe(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        if peer.is_draining:
            return _error(503, "draining", "this hub is draining")
        begins, errors = {}, {}
        for channel in _channels(message):
            refusal = self._refusal(channel)
            if refusal is not None:
                errors[channel] = refusal
                continue
            options = {"delivery": "latest" if channel in LATEST else "all", **message}
            try:
                begins[channel] = (options, self._begin(peer, channel, options))
            except ValueError as fault:
                errors[channel] = _error(400, "bad_position", str(fault), channel=channel, path="from.positions")
        if not begins:
            return {**next(iter(errors.values())), **({"errors": errors} if len(errors) > 1 else {})}
        told = self._follow(peer, begins)
        return {"type": "subscribed", "channels": told, **({"errors": errors} if errors else {})}

    def _begin(self, peer: Peer, channel: str, options: Mapping[str, Any]) -> Begin:
        """Where a subscription starts (M24); one that is replaced keeps its cursor (M26)."""
        log, known = self.logs[channel], peer.following.get(channel)
        start = options.get("from")
        if start is None and known is not None:
            return begin_at(log, known.position)._replace(is_uncut=True)
        match start or ("snapshot" if options["delivery"] == "latest" else "new"):
            case "snapshot":
                return Begin(log.at(0), 0, is_uncut=True)
            case {"last": int(count)}:
                offset = log.newest(count)
                return Begin(log.at(offset), offset, is_uncut=True)
            case {"since": int() | float() as ts}:
                offset = log.since(ts)
                return Begin(log.at(offset), offset)
            case {"positions": dict() as positions} if channel in positions:
                return begin_at(log, positions[channel])
        return Begin(log.head, log.end, is_uncut=True)

    def _on_unsubscribe(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        for channel in _channels(message):
            peer.following.pop(channel, None)
        return {"type": "unsubscribed", "channels": _channels(message), "code": 0, "reason": "client"}

    def _on_ping(self, peer: Peer, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "pong", "ts": time.time(), **({"t": message["t"]} if "t" in message else {})}

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
        if message.get("mid") in self._emitted:
            return {**self._emitted[message["mid"]], "duplicate": True}
        results = [self._process(message, vector) for vector in vectors]
        body = {"results": results} if "vectors" in message else results[0]
        stored = {"position": self.logs["signals"].head} if "mid" in message else {}
        answer = {"type": "emitted", **body, "processing_time_us": 1.0, **stored}
        if stored:
            self._emitted[message["mid"]] = answer
        return answer

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
