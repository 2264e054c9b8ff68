"""A subscription without `await`: an iterator that blocks until something comes."""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self

from .errors import HubError, RequestTimeout
from .events import Event, T
from .states import SubState
from .subscription import Subscription
from .worker import Worker

if TYPE_CHECKING:
    from concurrent.futures import Future


class SyncSubscription(Iterator[Event[T]], Generic[T]):
    """A channel that is followed; what `Subscription` is to the client with `await`.

    Its queue is the one of the subscription inside: bounded, with `queued` and `dropped`. To be iterated from one
    thread at a time. An event is handled when the loop comes back for the next one.
    """

    def __init__(self, subscription: Subscription[T], worker: Worker) -> None:
        self._inner = subscription
        self._worker = worker
        # The next item, which an interrupt or a time-out left for later: it is not lost.
        self._coming: Future[Event[T] | None] | None = None

    def ready(self, timeout: float | None = None) -> Self:
        """Wait until it is active, or raise why it is not; RequestTimeout after `timeout` seconds."""
        try:
            self._worker.wait(self._active(), timeout)
        except HubError:
            raise
        except TimeoutError as fault:
            if timeout is None:
                raise
            raise RequestTimeout(f"{self.channel}: {self.state} and not active within {timeout:g} s") from fault
        return self

    def next(self, timeout: float | None = None) -> Event[T]:
        """The next event, or gap if gaps are wanted; RequestTimeout after `timeout` s, StopIteration at the end."""
        aiter(self._inner)  # one with a handler says that it is not iterated
        coming = self._coming or self._worker.start(self._fetch())
        self._coming = coming
        try:
            item = self._come(coming, timeout)
        except Exception:
            if coming.done() and (coming.cancelled() or coming.exception() is not None):
                self._coming = None
            raise
        self._coming = None
        if item is None:
            raise StopIteration
        return item

    def update(self, **options: Any) -> None:
        """Replace options and keep the cursor, as `Subscription.update`."""
        self._worker.wait(self._inner.update(**options))

    def unsubscribe(self) -> None:
        """End it; what is queued is dropped."""
        self._worker.wait(self._inner.unsubscribe())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event[T]:
        return self.next()

    def __enter__(self) -> Self:
        return self.ready()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()

    def _come(self, coming: "Future[Event[T] | None]", timeout: float | None) -> Event[T] | None:
        try:
            return self._worker.result(coming, timeout)
        except TimeoutError as fault:
            if timeout is None or coming.done():
                # It came at the last moment, or this is what it raised.
                return coming.result()
            raise RequestTimeout(f"{self.channel}: nothing came within {timeout:g} s", temporary=True) from fault

    async def _active(self) -> None:
        await self._inner

    async def _fetch(self) -> Event[T] | None:
        try:
            return await anext(self._inner)
        except StopAsyncIteration:
            return None

    # -- what it looks like ------------------------------------------------------------------------------------------

    @property
    def channel(self) -> str:
        """Its name."""
        return self._inner.channel

    @property
    def state(self) -> SubState:
        """Where it stands."""
        return self._inner.state

    @property
    def position(self) -> str | None:
        """The cursor: everything up to here was handled or is told as a gap."""
        return self._inner.position

    @property
    def recovered(self) -> bool | None:
        """Whether nothing was missed while the connection was away; None while it is not known."""
        return self._inner.recovered

    @property
    def error(self) -> HubError | None:
        """What ended it."""
        return self._inner.error

    @property
    def queued(self) -> int:
        """Items that wait for the handler or the iterator."""
        return self._inner.queued

    @property
    def dropped(self) -> int:
        """Events that did not fit, and were told as gaps."""
        return self._inner.dropped

    @property
    def handled(self) -> int:
        """Events that the handler, or the loop, is done with."""
        return self._inner.handled

    @property
    def failures(self) -> int:
        """Errors of the handler."""
        return self._inner.failures

    def __repr__(self) -> str:
        return repr(self._inner).replace("Subscription", "SyncSubscription", 1)
