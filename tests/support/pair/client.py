"""The client's end of the pair: one process with the real client, save its sockets, and its applications."""

import json
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from neurograph_ws_client import HubError, NeurographWSClient, State
from neurograph_ws_client.connection import Refused
from neurograph_ws_client.effects import Reject
from neurograph_ws_client.states import SubState

from tests.support.pair.application import Application
from tests.support.pair.model import Ask
from tests.support.pair.sockets import PairSockets

if TYPE_CHECKING:
    import asyncio

    from tests.support.pair.histories import Histories
    from tests.support.pair.link import Link
    from tests.support.pair.loop import StillLoop
    from tests.support.pair.model import Stream

PUBLISH_WITHIN = 60.0
AMPLE = 100_000
"""Places in a queue that no test fills."""
FELL_OVER = "the client fell over"
"""So begins what a model objects to where the client raises what it never may."""
MOST_LOOKS = 100
"""Looks at the clock in one moment before it counts as a spin."""


class ClientEnd:
    """One life of a `NeurographWSClient`; what happens on its sockets, and when, is a test's."""

    def __init__(
        self,
        loop: "StillLoop",
        histories: "Histories",
        new_stream: "Callable[[str], Stream]",
        draw: Callable[[], float],
        token: str | None = None,
        positions: Mapping[str, str] | None = None,
        *,
        has_journal: bool = False,
    ) -> None:
        self.streams: dict[str, Stream] = {}
        self.former: list[Application] = []
        """What was unsubscribed and still has an item in hand."""
        self.tokens: list[str] = [] if token is None else [token]
        self.errors: list[Exception] = []
        self.journal_raises = False
        self.takes_up = True
        """Whether channels that a token restored are subscribed to at once."""
        self._loop = loop
        self._histories = histories
        self._new_stream = new_stream
        self._applications: dict[str, Application] = {}
        self._objections: list[AssertionError] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        with patch.object(random, "random", draw):
            self.client = NeurographWSClient(
                reconnection_token=token, positions=positions, journal=self._write if has_journal else None
            )
        self.link, self.session = self.client._link, self.client._session
        self.sockets = PairSockets(self.link._journal)
        self.link.sockets = self.sockets  # type: ignore[assignment]  # as much of them as is asked for here
        self.client.on("error", self.errors.append)
        self.client.on("reconnection_token", lambda told: self.tokens.append(told.token))
        loop.set_exception_handler(self._fell_over)
        self._do(lambda: self.link.connect(retry=True))

    def _fell_over(self, _: object, context: Mapping[str, Any]) -> None:
        """What was called by the loop raised."""
        fault = context.get("exception")
        self._objections.append(AssertionError(f"{FELL_OVER}: {fault or context['message']!r}"))

    def _write(self, line: Mapping[str, Any]) -> None:
        if self.journal_raises:
            raise OSError(28, "No space left on device", str(line["dir"]))

    # -- where it stands -----------------------------------------------------------------------------------------------

    @property
    def opening(self) -> deque[int]:
        return self.sockets.opening

    @property
    def links(self) -> "dict[int, Link]":
        return self.sockets.links

    @property
    def queues(self) -> dict[str, list[Any]]:
        """What waits for the handler of each channel."""
        return {channel: one.waiting for channel, one in self._applications.items()}

    @property
    def goes_on(self) -> bool:
        """Whether a channel that is subscribed again goes on where it stood."""
        return self.session.follows.places.goes_on

    @property
    def is_connected(self) -> bool:
        return self.client.state is State.CONNECTED

    @property
    def is_settled(self) -> bool:
        """Connected by one connection, every channel followed, nothing asked or unhandled."""
        follows = self.session.follows.values()
        return (
            self.is_connected
            and len(self.session.lines) == 1
            and not self.opening
            and not len(self.session.requests)
            and all(follow.state is SubState.ACTIVE and not follow.is_stale for follow in follows)
            and not any(self.queues.values())
        )

    # -- the application -----------------------------------------------------------------------------------------------

    def subscribe(self, stream: "Stream", options: Mapping[str, Any], *, is_from_store: bool = False) -> None:
        """Follow a channel, after what was handled of it: said by the application, or known to the client itself."""
        channel = stream.channel
        self.streams[channel] = stream
        one = self._applications[channel] = Application(stream, self._objections.append)

        def act() -> None:
            if not is_from_store and channel not in self.session.follows:
                self.client.forget(channel)
            start = None if is_from_store or stream.place is None else str(stream.place)
            handling: dict[str, Any] = {"start": start, "queue_size": AMPLE, "gaps": True}
            one.subscription = self.client.subscribe(channel, one.handle, **handling, **options)

        self._do(act)

    def unsubscribe(self, channel: str) -> None:
        """Follow it no more; what its handler has in hand it goes on with."""
        del self.streams[channel]
        one = self._applications.pop(channel)
        one.is_former = True
        if one.in_hand is not None:
            self.former.append(one)
        self._start(lambda: self.client.unsubscribe(channel))

    def update(self, channel: str, window: int) -> None:
        """Another window for a channel that is followed (M26)."""
        subscription = self._applications[channel].subscription
        assert subscription is not None
        self._start(lambda: subscription.update(ack=window))

    def publish(self, ask: Ask) -> None:
        """With a `mid` it is sent again until it is answered (R13)."""
        message = {"type": "publish", "channel": ask.channel, "event": "e", "data": ask.number}
        message |= {} if ask.mid is None else {"mid": ask.mid}

        async def publish() -> None:
            try:
                answer = await self.link.request(
                    message, PUBLISH_WITHIN, is_repeatable=ask.mid is not None, is_patient=False
                )
            except HubError as error:
                self._answered(ask, Reject(ask, error))
            else:
                self._answered(ask, answer)

        self._start(publish)

    def _answered(self, ask: Ask, outcome: Any) -> None:
        try:
            ask.answered(outcome, self._histories)
        except AssertionError as fault:
            self._objections.append(fault)

    def handle(self, channel: str, most: int) -> int:
        """The application handles up to `most` items of a channel. -> how many"""
        return self._handle(self._applications[channel], most)

    def handle_late(self, most: int) -> None:
        """Handlers of former subscriptions finish with what they have in hand."""
        for one in self.former:
            self._handle(one, most)
        self.former = [one for one in self.former if one.in_hand is not None]

    def _handle(self, one: Application, most: int) -> int:
        self._do(lambda: one.allow(most))
        return most - one.stop()

    def cancel_inside(self, channel: str) -> None:
        """Something that the handler awaits with its next item will be cancelled."""
        self._applications[channel].cancels_next = True

    def close(self, reason: str = "") -> None:
        """End it all."""
        self._do(lambda: self.link.run(self.session.close(1000, reason)))

    def vanish(self) -> None:
        """The process dies: its sockets are gone without a word, and its tasks and timers with it."""
        for link in self.links.values():
            link.is_client_over = True
            link.cut()
        self.link._timer.set(None)
        for task in [*self._tasks, *self.link._tasks, *self.link._handlers]:
            task.cancel()
        self._loop.turn()

    # -- what the links bring ------------------------------------------------------------------------------------------

    def opened(self, conn: int) -> None:
        connection: Any = self.sockets.take(conn, self._loop.now)
        self._do(lambda: self.link.opened(connection))

    def failed(self, conn: int) -> None:
        self._do(lambda: self.link.failed(conn, "no connection", is_final=False))

    def refused(self, conn: int, status: int) -> None:
        self._do(lambda: self.link.refused(conn, Refused(status, "", 0.0)))

    def receive(self, conn: int, message: Mapping[str, Any]) -> None:
        connection: Any = self.sockets.known[conn]
        connection.heard_at = self._loop.now
        payload = json.dumps(message).encode()
        self._do(lambda: self.link.payloads_received(connection, [payload]))

    def closed(self, conn: int, code: int, reason: str) -> None:
        connection: Any = self.sockets.known[conn]
        self._do(lambda: self.link.connection_closed(connection, code, reason))

    def expire(self) -> None:
        """Do what is due now."""
        for _ in range(MOST_LOOKS):
            due = self.session.deadline()
            if due is None or due > self._loop.now:
                return
            self._do(lambda: None)
        raise AssertionError(f"the session wants to be called at {due} and again and again")

    # -- inside --------------------------------------------------------------------------------------------------------

    def _start(self, work: Callable[[], Any]) -> None:
        async def run() -> None:
            try:
                await work()
            except HubError as error:
                self.errors.append(error)

        def act() -> None:
            task = self._loop.create_task(run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._do(act)

    def _do(self, act: Callable[[], Any]) -> None:
        """Do it within the loop, with all that follows of it, and see whether the model objects."""

        async def run() -> None:
            act()

        try:
            self._loop.run(run())
        except (AttributeError, LookupError, OSError, TypeError, ValueError) as fault:
            raise AssertionError(f"{FELL_OVER}: {fault!r}") from fault
        self._loop.turn(4)
        for channel in self.client.restored if self.takes_up else ():
            # Restored by the token of a former process (R3): its application takes it up.
            if channel not in self.streams:
                self.subscribe(self._new_stream(channel), {})
                self._applications[channel].begin_where_it_stands()
        for one in self._applications.values():
            one.check_place()
        if self._objections:
            raise self._objections.pop(0)
