# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""The shell around the session: carries its effects out, one timer, the token source, the listeners."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from .codec import Message
from .connection import Connection, Opening, Refused
from .effects import (
    AskToken,
    CursorMoved,
    Drop,
    Effect,
    Open,
    Reject,
    Resolve,
    Send,
    SetLimit,
    SubChanged,
    SubRecovered,
    Tell,
    Unsent,
)
from .errors import AuthError, Closed, Disconnected, HubError, RequestTimeout
from .events import Event, Gap
from .glimpse import Unread
from .journal import Journal, Write
from .listeners import Listeners
from .masking import log_messages
from .names import check_names
from .policy import TokenSource, token_from
from .positions import Position
from .requests import Request
from .session import Session
from .sockets import Sockets
from .states import State, SubState
from .subscription import Subscription
from .subscriptions import Subscriptions
from .tasks import Tasks, Timer, answer, current_task, is_asking
from .waiting import Item


class Link:
    """What keeps a client connected. It owns every task and timer of the client, and ends them."""

    def __init__(
        self,
        session: Session,
        opening: Opening,
        token: TokenSource | None,
        *,
        patience: float,
        journal: Write | None,
        debug: bool,
    ) -> None:
        self.session = session
        self.subscriptions = Subscriptions(session.follows, self)
        self.bytes_in = 0
        self._tasks = Tasks()
        self.listeners = Listeners(self._tasks.start)
        self._journal = None if journal is None else Journal(journal, self.report)
        self.sockets = Sockets(opening, self, self._tasks.start, journal=self._journal, debug=debug)
        self._token = token
        self._patience = patience
        self._debug = debug
        self._handlers: set[asyncio.Future[Any]] = set()
        self._timer = Timer(self._expired)
        self._is_flush_due = False
        self._asking: asyncio.Future[None] | None = None
        self._moved: asyncio.Future[None] | None = None

    # -- what the client asks ----------------------------------------------------------------------------------------

    def connect(self, *, retry: bool) -> None:
        """Start, or say that it shall not give up."""
        self.run(self.session.connect(monotonic(), retry=retry))

    def try_now(self) -> None:
        """Who waits for the next attempt waits no longer."""
        self.run(self.session.try_now(monotonic()))

    async def request(self, message: Message, timeout: float, *, is_repeatable: bool, is_patient: bool) -> Resolve:
        """Ask the hub and wait for its answer; HubError says why there is none."""
        check_names(message)
        ticket: asyncio.Future[Resolve] = asyncio.get_running_loop().create_future()
        now = monotonic()
        request = Request(message, ticket, now + timeout, is_repeatable, is_patient)
        self.run(self.session.submit(request, now))
        try:
            # The answer is what paces the caller, and its time-out what ends the waiting.
            return await ticket
        finally:
            self.session.requests.withdraw(ticket)

    async def send(self, message: Message) -> None:
        """Write a message as it is; Disconnected where there is no connection in order."""
        check_names(message)
        number = self.session.conn
        if number is None or number not in self.sockets:
            raise self.session.cause or Disconnected(f"not connected ({self.session.state})", temporary=True)
        connection = self.sockets[number]
        self.sockets.write_one(connection, message)
        try:
            await connection.drain()
        except OSError as fault:
            raise Disconnected(f"the connection ended while {message.get('type')} was sent", temporary=True) from fault

    def flush_soon(self) -> None:
        """Ask for new subscriptions when this turn of the loop is over: those of one turn go in one message."""
        if self._is_flush_due or self.session.state is not State.CONNECTED:
            return
        self._is_flush_due = True
        asyncio.get_running_loop().call_soon(self._flush)

    async def unsubscribe(self, *channels: str) -> None:
        """End subscriptions; returns when the hub has stopped."""
        ticket: asyncio.Future[Resolve] = asyncio.get_running_loop().create_future()
        names = self.subscriptions.discard(channels)
        self.run(self.session.unsubscribe(names, ticket, monotonic()))
        try:
            await ticket
        except (Disconnected, Closed):
            # Without the connection nothing comes, and no later one will ask for them.
            return

    async def leave(self, subscription: Subscription[Any]) -> None:
        """End this one, and not the one that may have followed it."""
        if self.subscriptions.is_current(subscription):
            await self.unsubscribe(subscription.channel)

    async def update(self, subscription: Subscription[Any], options: Mapping[str, Any]) -> None:
        """Replace options of a subscription; returns when the hub has switched, HubError where it refused."""
        channel = subscription.channel
        if not self.subscriptions.is_current(subscription) or channel not in self.session.follows:
            raise Closed(f"{channel} was unsubscribed")
        ticket: asyncio.Future[Resolve] = asyncio.get_running_loop().create_future()
        self.run(self.session.update(channel, options, ticket, monotonic()))
        await ticket

    async def wait_for(self, reached: Callable[[State], bool]) -> None:
        """Until a state is one that was wanted."""
        while not reached(self.session.state):
            if self._moved is None or self._moved.done():
                self._moved = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._moved)

    async def wait_until(self, state: State, timeout: float | None) -> None:
        """Until that state is reached; RequestTimeout, or what closed the client in the meantime."""
        try:
            async with asyncio.timeout(timeout):
                await self.wait_for(lambda now: now in {state, State.CLOSED})
        except TimeoutError as fault:
            text = f"the client is {self.session.state} and was not {state} within {timeout:g} s"
            raise RequestTimeout(text, temporary=True) from fault
        if self.session.state is not state:
            raise self.session.cause or Closed("the client was closed")

    async def close(self, code: int, reason: str) -> None:
        """End it all, let the handlers finish what they have in hand, and leave no socket and no task."""
        self.run(self.session.close(code, reason))
        await self.sockets.finish()
        handlers = {task for task in self._handlers if not is_asking(task)}
        if handlers:
            _, stuck = await asyncio.wait(handlers, timeout=self._patience)
            for task in stuck:
                task.cancel()
        if self._asking is not None and self._asking is not current_task():
            self._asking.cancel()
        ending = [task for task in (*handlers, *self._tasks) if task is not current_task()]
        await asyncio.gather(*ending, return_exceptions=True)

    # -- Owner of subscriptions --------------------------------------------------------------------------------------

    def hold(self) -> None:
        """A consumer wants nothing more read."""
        self.sockets.hold()
        self.session.hold()

    def release(self) -> None:
        """It has caught up."""
        if self.sockets.release():
            self.session.release(monotonic())
            self._timer.set(self.session.deadline())

    def start(self, work: Awaitable[Any]) -> asyncio.Future[Any]:
        """Run a handler beside the loop's other work; `close` waits for it."""
        task = asyncio.ensure_future(work)
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)
        return task

    def handled(self, subscription: Subscription[Any], item: Item) -> None:
        """The application has handled an item, where that has to be known at once.

        A handler that outlives its subscription says nothing of the next one, which may stand further back (P5).
        """
        if subscription.state is SubState.ENDED:
            self.subscriptions.places.moved(subscription, item.place)
        if not self.subscriptions.is_current(subscription):
            return
        if self._journal is not None and type(item) is Event:
            self._journal.handled(self.session.conn or 0, subscription.channel, item.position)
        effects = self._move_cursor(subscription.channel, item.place)
        due = self.session.acks.deadline()
        if effects:
            self.run(effects)
        elif due is not None and not self._timer.rings_by(due):
            self._timer.set(self.session.deadline())

    def _tell_cursors(self) -> None:
        """Elsewhere it is told when it matters: what follows presents the cursors (R8)."""
        for channel, subscription in self.subscriptions.items():
            place = subscription.place
            if place is not None and not subscription.is_watched:
                self._move_cursor(channel, place)

    def _move_cursor(self, channel: str, place: Position) -> list[Effect]:
        follow = self.session.follows.get(channel)
        return [] if follow is None else self.session.handled(follow, place, monotonic())

    def report(self, error: Exception) -> None:
        """Tell an error that nobody awaits."""
        self.listeners.tell("error", error)

    # -- what the sockets bring --------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """The upgrade is done."""
        self._tell_cursors()
        self.run(self.session.opened(connection.number, monotonic()))

    def refused(self, number: int, answer: Refused) -> None:
        """The hub answered with an HTTP status."""
        self.run(self.session.refused(number, answer.status, answer.detail, monotonic(), answer.retry_after))

    def failed(self, number: int, text: str, *, is_final: bool) -> None:
        """There was no connection; `is_final` where there will never be one."""
        self.run(self.session.failed(number, text, monotonic(), is_final=is_final))

    def payloads_received(self, connection: Connection, payloads: Iterable[bytes]) -> None:
        """Each a message, or an array of them (M12)."""
        number, is_text = connection.number, connection.codec.is_text
        knows, decode, receive = self.sockets.knows, connection.decode, self.session.receive
        subscription_of = self.subscriptions.get
        is_traced = self._debug or self._journal is not None
        for payload in payloads:
            if not knows(number):
                continue
            self.bytes_in += len(payload)
            decoded = decode(payload)
            if type(decoded) is not dict or is_traced:
                self._take_other(number, decoded, payload if is_text else None)
                continue
            effects = receive(number, decoded, monotonic(), payload if is_text else None)
            # What comes all day, without a call more than it needs.
            if len(effects) == 1 and type(event := effects[0]) is Event:
                subscription = subscription_of(decoded["channel"])
                if subscription is not None:
                    subscription.deliver(event)
            else:
                self.run(effects)

    def _take_other(self, number: int, decoded: Any, wire: bytes | None) -> None:
        """An array, what cannot be read, or a message that somebody wants to see."""
        if self._debug:
            log_messages("<", decoded)
        if isinstance(decoded, list):
            for message in decoded:
                self._take(number, message, None)
        else:
            self._take(number, decoded, wire)

    def _take(self, number: int, message: Any, wire: bytes | None) -> None:
        if type(message) is Unread:
            self.run(self.session.unread(number, message, monotonic()))
            return
        if self._journal is not None:
            self._journal.message(number, "in", message)
        self.run(self.session.receive(number, message, monotonic(), wire))

    def connection_closed(self, connection: Connection, code: int, reason: str) -> None:
        """The socket is gone."""
        if self.sockets.gone(connection, int(code)):
            self.run(self.session.closed(connection.number, int(code), reason, monotonic()))

    # -- effects -----------------------------------------------------------------------------------------------------

    def run(self, effects: Sequence[Effect]) -> None:
        """Carry effects out, in order."""
        is_stream = bool(effects)
        for effect in effects:
            if type(effect) is Event:
                subscription = self.subscriptions.get(effect.message["channel"])
                if subscription is not None:
                    subscription.deliver(effect)
            else:
                is_stream = False
                self._run_other(effect)
        # An event brings no deadline nearer.
        if not is_stream:
            self._timer.set(self.session.deadline())

    def _run_other(self, effect: Effect) -> None:
        match effect:
            case Send(messages, conn):
                self.sockets.write(conn, messages, self._unsendable)
            case Gap(channel) | CursorMoved(channel):
                self._deliver(channel, effect)
            case Resolve(ticket):
                answer(ticket, effect, None)
            case Reject(ticket, error) | Unsent(ticket, error):
                answer(ticket, None, error)
            case SubChanged(channel, state, error):
                self.subscriptions.changed(channel, state, error)
            case SubRecovered(channel, is_whole) if channel in self.subscriptions:
                self.subscriptions[channel].recovered = is_whole
            case Tell(name, value):
                self._tell(name, value)
            case AskToken():
                self._ask_token(effect)
            case Open(conn):
                self.sockets.open(conn, self.session.credentials.token)
            case Drop(conn, code, reason, is_abrupt):
                self.sockets.drop(conn, code, reason, is_abrupt=is_abrupt)
            case SetLimit(conn, max_message) if conn in self.sockets:
                self._limit(conn, max_message)

    def _unsendable(self, message: Message, fault: HubError) -> None:
        self.run(self.session.unsendable(message.get("id"), fault, monotonic()))

    def _deliver(self, channel: str, item: Gap | CursorMoved) -> None:
        subscription = self.subscriptions.get(channel)
        if subscription is not None:
            subscription.deliver(item)
        if isinstance(item, Gap):
            self._tell("gap", item)

    def _limit(self, conn: int, max_message: int) -> None:
        self.sockets[conn].limit(max_message)
        welcome = self.session.lines[conn].welcome
        if welcome is not None:
            self.sockets.max_message = welcome.limits.message

    def _tell(self, name: str, value: Any) -> None:
        if name == "state" and self._moved is not None and not self._moved.done():
            self._moved.set_result(None)
        self.listeners.tell(name, value)

    def _ask_token(self, effect: AskToken) -> None:
        self._asking = self._tasks.replace(self._asking, self._fetch_token(effect))

    async def _fetch_token(self, effect: AskToken) -> None:
        try:
            token = await token_from(self._token, effect.request)
        except AuthError as error:
            self.run(self.session.token_failed(error, monotonic()))
        else:
            self.run(self.session.token_ready(token, monotonic()))

    # -- time --------------------------------------------------------------------------------------------------------

    def _expired(self) -> None:
        for connection in self.sockets.each():
            if not connection.is_held:
                self.session.heard(connection.number, connection.heard_at)
        self.run(self.session.expired(monotonic()))

    def _flush(self) -> None:
        self._is_flush_due = False
        self.run(self.session.flush(monotonic()))
