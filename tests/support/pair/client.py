"""The client's end of the pair: one process with its session, and an application that handles what it is told to."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurograph_ws_client import Event, Gap, State
from neurograph_ws_client.effects import CursorMoved, Drop, Effect, Open, Reject, Resolve, Send, SubChanged, Tell
from neurograph_ws_client.requests import Request
from neurograph_ws_client.session import Session
from neurograph_ws_client.states import SubState

from tests.support.pair.model import Ask

if TYPE_CHECKING:
    from neurograph_ws_client.follows import Follow

    from tests.support.pair.histories import Histories
    from tests.support.pair.link import Link
    from tests.support.pair.loop import StillLoop
    from tests.support.pair.model import Stream

PUBLISH_WITHIN = 60.0
MOST_LOOKS = 100
"""Looks at the clock in one moment before it counts as a spin."""


class ClientEnd:
    """Carries out what the session asks for, as the shell in `neurograph_ws_client.link` does."""

    def __init__(
        self,
        loop: "StillLoop",
        histories: "Histories",
        new_stream: "Callable[[str], Stream]",
        draw: Callable[[], float],
        token: str | None = None,
    ) -> None:
        self.session = Session(draw=draw, reconnection_token=token)
        self.links: dict[int, Link] = {}
        self.opening: deque[int] = deque()
        """Connections that are asked for and not answered yet."""
        self.queues: dict[str, deque[Any]] = {}
        self.streams: dict[str, Stream] = {}
        self.follows: dict[str, Follow] = {}
        self.former: list[tuple[Follow, deque[Any]]] = []
        """Subscriptions that were ended, and what their handlers still hold."""
        self.tokens: list[str] = [] if token is None else [token]
        self.errors: list[Exception] = []
        self._loop = loop
        self._histories = histories
        self._new_stream = new_stream
        self._run(self.session.connect(loop.now, retry=True))

    @property
    def is_connected(self) -> bool:
        return self.session.state is State.CONNECTED

    @property
    def is_settled(self) -> bool:
        """Connected by one connection, every channel followed, nothing asked or unhandled."""
        follows = self.session.follows.values()
        return (
            self.is_connected
            and len(self.session.lines) == 1
            and not self.opening
            and not len(self.session.requests)
            and all(follow.state is SubState.ACTIVE for follow in follows)
            and not any(self.queues.values())
        )

    # -- the application -----------------------------------------------------------------------------------------------

    def subscribe(self, stream: "Stream", options: Mapping[str, Any]) -> None:
        """Follow a channel, after what was handled of it."""
        channel = stream.channel
        self.streams[channel], self.queues[channel] = stream, deque()
        self.follows[channel] = self.session.subscribe(channel, options, stream.place)
        self._run(self.session.flush(self._loop.now))

    def unsubscribe(self, channel: str) -> None:
        """Follow it no more; what its handlers have in hand they go on with."""
        del self.streams[channel]
        self.former.append((self.follows.pop(channel), self.queues.pop(channel)))
        self._run(self.session.unsubscribe([channel], Ask(channel), self._loop.now))

    def update(self, channel: str, window: int) -> None:
        """Another window for a channel that is followed (M26)."""
        self._run(self.session.update(channel, {"ack": window}, Ask(channel), self._loop.now))

    def publish(self, ask: Ask) -> None:
        """With a `mid` it is sent again until it is answered (R13)."""
        message = {"type": "publish", "channel": ask.channel, "event": "e", "data": ask.number}
        message |= {} if ask.mid is None else {"mid": ask.mid}
        is_repeatable = ask.mid is not None
        request = Request(message, ask, self._loop.now + PUBLISH_WITHIN, is_repeatable=is_repeatable)
        self._run(self.session.submit(request, self._loop.now))

    def handle(self, channel: str, most: int) -> int:
        """The application takes up to `most` items from its queue. -> how many"""
        queue, handled = self.queues[channel], 0
        while queue and handled < most:
            place = self.streams[channel].take(queue.popleft())
            handled += 1
            self._run(self.session.handled(self.follows[channel], place, self._loop.now))
        return handled

    def handle_late(self, most: int) -> None:
        """Handlers of former subscriptions finish with up to `most` items of each."""
        for follow, queue in self.former:
            for _ in range(min(most, len(queue))):
                self._run(self.session.handled(follow, queue.popleft().place, self._loop.now))
        self.former = [(follow, queue) for follow, queue in self.former if queue]

    def close(self, reason: str = "") -> None:
        """End it all."""
        self._run(self.session.close(1000, reason))

    def vanish(self) -> None:
        """The process dies: its sockets are gone without a word."""
        for link in self.links.values():
            link.is_client_over = True
            link.cut()

    # -- what the links bring ------------------------------------------------------------------------------------------

    def opened(self, conn: int) -> None:
        self._run(self.session.opened(conn, self._loop.now))

    def failed(self, conn: int) -> None:
        self._run(self.session.failed(conn, "no connection", self._loop.now))

    def refused(self, conn: int, status: int) -> None:
        self._run(self.session.refused(conn, status, "", self._loop.now))

    def receive(self, conn: int, message: Mapping[str, Any]) -> None:
        self.session.heard(conn, self._loop.now)
        self._run(self.session.receive(conn, message, self._loop.now))

    def closed(self, conn: int, code: int, reason: str) -> None:
        self._run(self.session.closed(conn, code, reason, self._loop.now))

    def expire(self) -> None:
        """Do what is due now."""
        for _ in range(MOST_LOOKS):
            due = self.session.deadline()
            if due is None or due > self._loop.now:
                return
            self._run(self.session.expired(self._loop.now))
        raise AssertionError(f"the session wants to be called at {due} and again and again")

    # -- effects -------------------------------------------------------------------------------------------------------

    def _run(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Event() | Gap() | CursorMoved():
                if effect.channel in self.queues:
                    self.queues[effect.channel].append(effect)
            case Send(messages, conn):
                if (link := self.links.get(conn)) is not None:
                    link.send(messages)
            case Open(conn):
                self.opening.append(conn)
            case Drop(conn, code, reason, is_abrupt):
                self._drop(conn, code, reason, is_abrupt=is_abrupt)
            case Resolve(Ask() as ask) | Reject(Ask() as ask):
                ask.answered(effect, self._histories)
            case SubChanged(channel, SubState.ACTIVE) if channel not in self.streams:
                # Restored by the token of a former process (R3): its application takes it up.
                self.streams[channel], self.queues[channel] = self._new_stream(channel), deque()
                self.follows[channel] = self.session.follows[channel]
            case Tell("reconnection_token", told):
                self.tokens.append(told.token)
            case Tell("error", error):
                self.errors.append(error)

    def _drop(self, conn: int, code: int, reason: str, *, is_abrupt: bool) -> None:
        if conn in self.opening:
            self.opening.remove(conn)
        elif (link := self.links.get(conn)) is not None:
            link.drop(code, reason, is_abrupt=is_abrupt)
