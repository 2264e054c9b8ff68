# ruff: noqa: ASYNC109 - a time-out in seconds is what the documents promise
"""One subscription as the application sees it: a bounded queue, a handler or an iterator, and a cursor."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Literal, NamedTuple, Self

from .checks import check_options
from .effects import CursorMoved
from .errors import Closed, HubError, QueueOverflow, RequestTimeout
from .events import Event, Gap, T
from .filters import Filter
from .owner import Owner
from .positions import Position
from .states import SubState
from .waiting import Item, Waiting

# Looked at for every event: a member of an enumeration costs more than a name of the module.
_ENDED = SubState.ENDED

OnFull = Literal["gap", "wait", "error"]
OnError = Literal["continue", "stop"]
Handler = Callable[[Any], Any]
Convert = Callable[[Any], Any]


class Handling(NamedTuple):
    """How an application takes what comes: by a handler or by iterating, and what happens where it is slow or fails.

    `cursors` is for who reads up to a place: cursors that move without an event (P4, P9) come too.
    """

    handler: Handler | None = None
    queue_size: int = 1000
    on_full: OnFull = "gap"
    on_error: OnError = "continue"
    gaps: bool = False
    cursors: bool = False
    convert: Convert | None = None


class Subscription(AsyncIterator[Event[T]], Generic[T]):
    """A channel that is followed. Await it to know that it is active; iterate it, or give it a handler.

    Its queue is bounded and shows itself: `queued` and `dropped`. What was dropped stands in the stream as a gap.
    """

    def __init__(
        self,
        channel: str,
        owner: Owner,
        handling: Handling = Handling(),  # noqa: B008 - it cannot be changed
        *,
        position: str | None = None,
        is_watched: bool = False,
    ) -> None:
        self.channel = channel
        self.state = SubState.PENDING
        self.recovered: bool | None = None
        self.handled = 0
        self.failures = 0
        self.error: HubError | None = None
        # Whether the owner has to know of each item at once: for acknowledgements and journals.
        self.is_watched = is_watched
        self._owner = owner
        self._handle_by(handling)
        self._queue = Waiting()
        # The last item that was settled: its position is composed when asked for, not per event.
        self._cursor: Item | None = None if position is None else CursorMoved(channel, position)
        self._given: Item | None = None
        self._task: asyncio.Future[Any] | None = None
        self._is_holding = False
        # The handler failed at what it had in hand, and is given nothing more: that was not handled.
        self._has_stopped = False
        self._waiters: list[asyncio.Future[None]] = []
        self._updating = asyncio.Lock()

    def _handle_by(self, handling: Handling) -> None:
        # In parts: looked at for every event.
        self._handler, self._queue_size, self._on_full, self._on_error, *wants, self._convert = handling
        self._wants_gaps, self._wants_cursors = wants
        # Whether events go to the handler as they are.
        self._is_plain = self._handler is not None and self._convert is None

    # -- what the application asks -----------------------------------------------------------------------------------

    @property
    def position(self) -> str | None:
        """The cursor: everything up to here was handled or is told as a gap (P5, P7)."""
        return None if self._cursor is None else _end_of(self._cursor)

    @property
    def place(self) -> Position | None:
        """The cursor in parts."""
        return None if self._cursor is None else self._cursor.place

    @property
    def dropped(self) -> int:
        """Events that did not fit, and were told as gaps."""
        return self._queue.dropped

    @property
    def queued(self) -> int:
        """Items that wait for the handler or the iterator."""
        return len(self._queue)

    async def next(self, timeout: float | None = None) -> Event[T]:
        """The next event, or gap if gaps are wanted; RequestTimeout, StopAsyncIteration at the end."""
        try:
            async with asyncio.timeout(timeout):
                return await self.__anext__()
        except TimeoutError as fault:
            raise RequestTimeout(f"{self.channel}: nothing came within {timeout:g} s", temporary=True) from fault

    async def update(
        self,
        *,
        filter: Filter | None = None,  # noqa: A002 - the protocol's word
        delivery: Literal["all", "latest"] | None = None,
        on_slow: Literal["gap", "close"] | None = None,
        max_rate: float | None = None,
        ack: int | None = None,
    ) -> None:
        """Replace options and keep the cursor (M26); returns when the hub has switched. What is left out stays as it
        is; `filter={}` lets everything through again. ValueError for a value that no option takes.

        While there is no connection it returns at once, and the next hub is told: what that one never takes ends the
        subscription with its error.
        """
        wire = {"filter": filter, "delivery": delivery, "on_slow": on_slow, "max_rate": max_rate, "ack": ack}
        options = {name: value for name, value in wire.items() if value is not None}
        check_options(options)
        self.is_watched = self.is_watched or ack is not None
        # One at a time: each builds on what the hub has taken of the one before.
        async with self._updating:
            await self._owner.update(self, options)

    async def unsubscribe(self) -> None:
        """End it; what is queued is dropped."""
        await self._owner.leave(self)

    async def _leave(self) -> None:
        """End it where nobody waits for the hub: what it answers instead is told."""
        try:
            await self._owner.leave(self)
        except HubError as error:
            self._owner.report(error)

    def __aiter__(self) -> Self:
        if self._handler is not None:
            raise TypeError(f"{self.channel} has a handler; iterate a subscription without one")
        return self

    async def __anext__(self) -> Event[T]:
        self._settle_given()
        while True:
            if self._queue:
                item = self._take()
                shown = self._shown(item)
                if shown is not None:
                    self._given = item
                    return shown  # type: ignore[return-value]  # a gap only where the caller asked for gaps
                self._handled(item)
            elif self.state is SubState.ENDED:
                raise self.error or StopAsyncIteration
            else:
                await self._change()

    def __await__(self) -> Generator[Any, None, Self]:
        return self._active().__await__()

    async def _active(self) -> Self:
        while self.state is not SubState.ACTIVE:
            if self.state is SubState.ENDED:
                raise self.error or Closed(f"{self.channel} was unsubscribed")
            await self._change()
        return self

    async def __aenter__(self) -> Self:
        return await self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.unsubscribe()

    def __repr__(self) -> str:
        counts = f"queued={self.queued} dropped={self.dropped} handled={self.handled}"
        return f"<Subscription {self.channel} {self.state} at {self.position} {counts}>"

    # -- what the client tells ---------------------------------------------------------------------------------------

    def take_up(self, handling: Handling, *, is_watched: bool) -> None:
        """Somebody follows what was restored: the handler gets what has come since."""
        self._handle_by(handling)
        self.is_watched = is_watched
        self._go_on()

    def change_state(self, state: SubState, error: HubError | None) -> None:
        """The session moved it."""
        if state is SubState.SUSPENDED:
            self.recovered = None
        self.state, self.error = state, error
        if state is SubState.PENDING:
            self._go_on()  # a right came back (C17): what had come before is still to be handled
        if state is SubState.ENDED:
            self._release()
            if error is not None and self._handler is not None:
                self._owner.report(error)
        self._wake()

    def deliver(self, item: Item) -> None:
        """Hand an item to the handler, or queue it; a moved cursor keeps its place among the events (P7)."""
        if self.state is _ENDED:
            return
        if not self._queue and self._task is None and self._given is None:
            if type(item) is Event and self._is_plain:
                self._handle_plain(item)
                return
            if self._takes_at_once(item):
                self._handle_nowait(item)
                return
        is_full = len(self._queue) >= self._queue_size and not isinstance(item, CursorMoved)
        if is_full and not self._make_room():
            return
        self._queue.put(item)
        self._wake()

    def _takes_at_once(self, item: Item) -> bool:
        """Whether an item can be handled at this very moment, where nothing else is in hand."""
        return self._handler is not None or (type(item) is CursorMoved and not self._wants_cursors)

    def discard(self) -> None:
        """It was unsubscribed: nothing more is handed over, save what was queued before an error ended it."""
        if self.state is not SubState.ENDED:
            self._queue.clear()
            self.change_state(SubState.ENDED, None)

    # -- the queue ---------------------------------------------------------------------------------------------------

    def _make_room(self) -> bool:
        """Whether the item is still wanted."""
        match self._on_full:
            case "gap":
                self._queue.drop_oldest()
            case "wait":
                self._hold()
            case "error":
                text = f"{self.channel}: {self._queue_size} events wait for a handler that is slower than the channel"
                self.change_state(SubState.ENDED, QueueOverflow(text, channel=self.channel))
                self._owner.start(self._leave())
        return self._on_full != "error"

    def _hold(self) -> None:
        if not self._is_holding:
            self._is_holding = True
            self._owner.hold()

    def _release(self) -> None:
        if self._is_holding:
            self._is_holding = False
            self._owner.release()

    def _take(self) -> Item:
        item = self._queue.popleft()
        if len(self._queue) <= self._queue_size // 2:
            self._release()
        return item

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def _change(self) -> None:
        # One future for each who waits: it runs in the very next turn of the loop, before more is handed over.
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    # -- handling ----------------------------------------------------------------------------------------------------

    def _handle_plain(self, event: Event[Any]) -> None:
        """What `_handle_nowait` does with an event that goes to a handler as it is: what comes all day."""
        try:
            result = self._handler(event)  # type: ignore[misc]  # there is one
        except (Exception, asyncio.CancelledError) as fault:  # noqa: BLE001 - whatever it raises is told, and it goes on
            self._failed(fault)
            result = None
        if result is not None and inspect.isawaitable(result):
            self._task = self._owner.start(self._handle_rest(event, result))
        elif not self._has_stopped:
            self.handled += 1
            self._cursor = event
            if self.is_watched or self.state is _ENDED:
                self._owner.handled(self, event)

    def _handle_nowait(self, item: Item) -> None:
        """Call the handler; one that has to be awaited goes on as a task, and what comes meanwhile is queued."""
        waiting = self._call(item)
        if waiting is None:
            if not self._has_stopped:
                self._settle(item)
        else:
            self._task = self._owner.start(self._handle_rest(item, waiting))

    def _go_on(self) -> None:
        if self._handler is not None and self._queue and self._task is None:
            self._task = self._owner.start(self._handle_rest(item := self._take(), self._call(item)))

    def _call(self, item: Item) -> Awaitable[Any] | None:
        is_plain = type(item) is Event and self._convert is None
        if self._handler is None or (shown := item if is_plain else self._shown(item)) is None:
            return None
        try:
            result = self._handler(shown)
        except (Exception, asyncio.CancelledError) as fault:  # noqa: BLE001 - whatever it raises is told, and it goes on
            self._failed(fault)
            return None
        return None if result is None or not inspect.isawaitable(result) else result

    async def _handle_rest(self, item: Item, waiting: Awaitable[Any] | None) -> None:
        try:
            while True:
                if waiting is not None:
                    await self._await(waiting)
                self._handled(item)
                if not self._queue or self.state is SubState.ENDED:
                    return
                item = self._take()
                waiting = self._call(item)
        except asyncio.CancelledError:
            self._cancelled()
            raise
        finally:
            self._task = None

    async def _await(self, waiting: Awaitable[Any]) -> None:
        try:
            await waiting
        except asyncio.CancelledError as fault:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._failed(fault)
        except Exception as fault:  # noqa: BLE001 - as in _call
            self._failed(fault)

    def _cancelled(self) -> None:
        """The task of the handler is cancelled: nothing passes what it had in hand."""
        if self.state is not SubState.ENDED:
            self._queue.clear()
            self.change_state(SubState.ENDED, Closed(f"{self.channel}: the task of its handler was cancelled"))

    def _failed(self, fault: Exception | asyncio.CancelledError) -> None:
        self.failures += 1
        if isinstance(fault, asyncio.CancelledError):
            # What the handler awaited was cancelled, and not the handler: it has failed as by any error.
            error: Exception = RuntimeError(f"the handler of {self.channel} was cancelled from inside")
            error.__cause__ = fault
        else:
            error = fault
        error.add_note(f"in the subscription of {self.channel}")
        self._owner.report(error)
        if self._on_error == "stop":
            self._has_stopped = True
            self.discard()
            self._owner.start(self._leave())

    def _handled(self, item: Item) -> None:
        if not self._has_stopped:
            self._settle(item)

    def _settle_given(self) -> None:
        """The consumer of the iterator came back: what it was given is handled."""
        if self._given is not None:
            self._settle(self._given)
            self._given = None

    def _settle(self, item: Item) -> None:
        self.handled += type(item) is Event
        self._cursor = item
        if self.is_watched or self.state is _ENDED:
            self._owner.handled(self, item)

    def _shown(self, item: Item) -> Item | None:
        """The item as the application wants it; None where it does not, or where its data is of another type."""
        # By type: asking an abstract class costs as much as the rest of this.
        kind = type(item)
        if kind is Event:
            return item if self._convert is None else self._converted(item, self._convert)  # type: ignore[arg-type]
        is_wanted = self._wants_gaps if kind is Gap else self._wants_cursors
        return item if is_wanted else None

    def _converted(self, event: Event[Any], convert: Convert) -> Event[Any] | None:
        try:
            return event.with_data(convert(event.data))
        except Exception as fault:  # noqa: BLE001 - as with a handler: told, counted, and the stream goes on
            fault.add_note(f"the data of {event.event} at {event.position}")
            self._failed(fault)
            return None


def _end_of(item: Item) -> str:
    return item.to if isinstance(item, Gap) else item.position
