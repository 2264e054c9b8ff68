"""A channel that a notebook follows: what came, what is missing, and the handler that is run for each event."""

import asyncio
import contextlib
import contextvars
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurograph_ws_client import Event, Filter, Gap, Last, NeurographWSClient

from .results import QueryResult, event_row
from .worker import Place

if TYPE_CHECKING:
    from types import TracebackType

    from .worker import Worker

HERE = Path(__file__).parent
KEPT = 1_000
"""Newest events that a feed keeps."""
MAX_TOLD = 3
"""Errors of a handler that are told with a traceback; the rest is counted."""

Handler = Callable[[Event[Any]], object]
Listener = Callable[[Event[Any] | Gap], object]


class Feed:
    """Follows one channel over a connection of its own, since a channel is followed once per connection (M26).

    Handlers run one at a time and in order; one that raises is told and counted, and the feed goes on. `gaps` are what
    is known to be missing.
    """

    def __init__(
        self,
        name: str,
        channel: str,
        client: NeurographWSClient,
        worker: "Worker",
        *,
        place: Place | None = None,
        handler: Handler | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.name = name
        self.channel = channel
        self.total = self.handled = self.failures = 0
        self.gaps: list[Gap] = []
        self._client = client
        self._worker = worker
        self._place = Place() if place is None else place
        self._handler = handler
        # What a handler prints belongs to the cell that made it.
        self._context = contextvars.copy_context()
        self._events: deque[Event[Any]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._listeners = list(listeners)
        self._arrived = asyncio.Condition()
        # Before, what is wrong is raised; afterwards nobody waits for it any more.
        self._is_told = False
        self._stopping: asyncio.Event = asyncio.Event()

    # -- on the worker's loop ------------------------------------------------------------------------------------------

    async def begin(self, condition: Filter | None, past: Sequence[Event[Any]], last: int = 0) -> None:
        """Connect and follow, behind `past` if given, or from the newest `last` on; raises what refused it."""
        client = self._client
        client.on("error", self._failed)
        for event in past:
            self._keep(event)
        await client.connect()
        try:
            start = past[-1].position if past else Last(last) if last else None
            await client.subscribe(self.channel, self._take, filter=condition, start=start, gaps=True)
        except BaseException:
            await client.close()
            raise
        self._is_told = True

    async def end(self) -> None:
        """Follow no more; a handler that waits for its kernel is not waited for."""
        self._is_told = False
        self._stopping.set()
        await self._client.close()

    async def _take(self, item: Any) -> None:
        if isinstance(item, Gap):
            self.gaps.append(item)
            del self.gaps[:-KEPT]
        else:
            self._keep(item)
        for listener in self._listeners:
            listener(item)
        async with self._arrived:
            self._arrived.notify_all()
        if isinstance(item, Event):
            if self._handler is not None:
                await self._handle(self._handler, item)
            self.handled += 1
        async with self._arrived:
            self._arrived.notify_all()

    async def _handle(self, handler: Handler, event: Event[Any]) -> None:
        work = asyncio.ensure_future(self._place.run(lambda: self._guarded(handler, event), self._context))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for one in (work, stopping):
            one.cancel()
        await asyncio.gather(work, stopping, return_exceptions=True)

    def _guarded(self, handler: Handler, event: Event[Any]) -> None:
        if self._stopping.is_set():
            return
        try:
            handler(event)
        except Exception as fault:  # noqa: BLE001 - the user's code: told where it stands, and the feed goes on
            self.failures += 1
            if self.failures <= MAX_TOLD:
                traceback.print_exception(fault.with_traceback(_of_the_user(fault.__traceback__)))
            if self.failures == MAX_TOLD:
                print(f"{self.name}: further errors are counted in `failures` only", file=sys.stderr)

    def _keep(self, event: Event[Any]) -> None:
        with self._lock:
            self._events.append(event)
            self.total += 1

    def _failed(self, error: Exception) -> None:
        if self._is_told:
            self._place.post(lambda: self._context.copy().run(print, f"{self.name}: {error}", file=sys.stderr))

    async def _until(self, figure: Callable[[], int], count: int) -> None:
        async with self._arrived:
            await self._arrived.wait_for(lambda: figure() >= count)

    # -- for the notebook ----------------------------------------------------------------------------------------------

    def listen(self, listener: Listener, kept: Callable[[Event[Any]], object] | None = None) -> None:
        """Call `listener` on the client's thread for each event and gap, after `kept` for each event that is here."""

        async def attach() -> None:
            for event in self._events if kept is not None else ():
                kept(event)  # type: ignore[misc]  # looked at just now
            self._listeners.append(listener)

        self._worker.wait(attach())

    def watch(self, changed: Callable[[], object]) -> None:
        """Call `changed` on the client's thread whenever the state of the connection is another."""
        self._worker.call(lambda: self._client.on("state", lambda change: changed()))

    def wait(self, count: int = 1, timeout: float = 10.0) -> "Feed":
        """Until `count` events have come in all; TimeoutError tells how many did."""
        try:
            self._worker.wait(self._until(lambda: self.total, count), timeout)
        except TimeoutError:
            raise TimeoutError(f"{self.channel}: expected {count} events, came {self.total} in {timeout:g} s") from None
        return self

    async def until_handled(self, count: int = 1, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Until handlers have had `count` events. To be awaited in a cell: `wait` would keep handlers from running."""
        work = self._until(lambda: self.handled, count)
        future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._worker.loop))
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            text = f"{self.channel}: expected {count} events to be handled, {self.handled} were in {timeout:g} s"
            raise TimeoutError(text) from None

    def events(self) -> QueryResult:
        """The newest events that came, at most 1,000, oldest first."""
        with self._lock:
            rows = [event_row(event) for event in self._events]
        return QueryResult(rows, f"{self.channel}, followed as {self.name}", note=self._note())

    def stop(self) -> None:
        """Follow it no more."""
        with contextlib.suppress(TimeoutError):
            self._worker.wait(self.end(), 5.0)

    @property
    def state(self) -> str:
        """Of the connection."""
        return str(self._client.state)

    def _note(self) -> str:
        notes = [f"{self.total:,} came", self.state]
        if self.gaps:
            missed = sum(gap.missed or 0 for gap in self.gaps)
            notes.append(f"{len(self.gaps)} gaps, at least {missed:,} missed")
        if self.failures:
            notes.append(f"the handler failed {self.failures:,} times")
        return ", ".join(notes)

    def __len__(self) -> int:
        return self.total

    def __repr__(self) -> str:
        return f"<Feed {self.name} of {self.channel}: {self._note()}>"

    def _repr_html_(self) -> str:
        return self.events()[-10:]._repr_html_()


def _of_the_user(trace: "TracebackType | None") -> "TracebackType | None":
    """A traceback from the user's own code on; all of it where that is in ours."""
    inner = trace
    while inner is not None and Path(inner.tb_frame.f_code.co_filename).parent == HERE:
        inner = inner.tb_next
    return inner or trace
