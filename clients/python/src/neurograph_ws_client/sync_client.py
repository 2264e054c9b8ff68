"""The client without `await`, for scripts and notebooks: the same calls, a thread inside that keeps the connection up.

Every method here is the one of `NeurographWSClient` waited for; signatures, errors and their order are not written
twice.
"""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial, update_wrapper
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

from .answers import Welcome
from .client import NeurographWSClient
from .errors import Closed
from .events import Event
from .listeners import Told, logger
from .policy import TokenRequest
from .states import State
from .stats import ClientStats
from .subscription import Subscription
from .sync_subscription import SyncSubscription
from .tasks import CALLER, current_task
from .threads import Threads
from .worker import Worker

P = ParamSpec("P")
R = TypeVar("R")

# Handlers of so many subscriptions run side by side; as many as a hub takes of one connection (`limits.subscriptions`).
MAX_HANDLERS = 64

# A token source may be asked so often at a time, by the client and by what has a connection of its own.
MAX_SOURCES = 8

# So much of what listeners are told waits for one that is slow; beyond, the oldest is dropped and counted.
MAX_TOLD = 1000

# A `repr` waits no longer than this for a client that is busy.
_LOOK_WITHIN = 1.0


def _blocking(
    method: Callable[Concatenate[NeurographWSClient, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["SyncClient", P], R]:
    """A method of the client that returns when it is done."""

    def call(self: "SyncClient", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.worker.wait(method(self.client, *args, **kwargs))

    update_wrapper(call, method)
    return call


def _made(
    init: Callable[Concatenate[NeurographWSClient, P], None],
) -> Callable[Concatenate["SyncClient", P], None]:
    def make(self: "SyncClient", /, *args: P.args, **kwargs: P.kwargs) -> None:
        options = cast("dict[str, Any]", kwargs)
        self._lock = threading.Lock()
        self._sources = Threads("neurograph-token", MAX_SOURCES)
        if callable(options.get("token")):
            options["token"] = _beside_the_loop(options["token"], self._sources)
        self.client = NeurographWSClient.__new__(NeurographWSClient)
        init(self.client, *args, **kwargs)
        self._worker = None
        self._is_closed = False
        self._handlers = Threads("neurograph-handler", MAX_HANDLERS)
        self._listeners = Threads("neurograph-listener", 1, MAX_TOLD)

    update_wrapper(make, init)
    return make


def _beside_the_loop(
    source: Callable[[TokenRequest], str | Awaitable[str]], threads: Threads
) -> Callable[[TokenRequest], Any]:
    """A token source that may block: it is asked in a thread, and the connection lives on meanwhile."""
    if inspect.iscoroutinefunction(source):
        return source

    async def ask(request: TokenRequest) -> str:
        answer = await asyncio.wrap_future(threads.start(partial(source, request)))
        return answer if isinstance(answer, str) else await answer

    return ask


def _followed(
    subscribe: Callable[Concatenate[NeurographWSClient, P], Subscription[R]],
) -> Callable[Concatenate["SyncClient", P], SyncSubscription[R]]:
    signature = inspect.signature(subscribe)

    def call(self: "SyncClient", /, *args: P.args, **kwargs: P.kwargs) -> SyncSubscription[R]:
        given = signature.bind(self.client, *args, **kwargs)
        if given.arguments.get("handler") is not None:
            given.arguments["handler"] = self._in_a_thread(given.arguments["handler"])
        return SyncSubscription(self.worker.call(lambda: subscribe(*given.args, **given.kwargs)), self.worker)

    update_wrapper(call, subscribe)
    return call


class SyncClient:
    """`NeurographWSClient` without `await`: every call blocks until it is done and raises what the other raises.

    A thread of its own keeps the connection up, so that it works in scripts, threads and notebooks alike, also where a
    loop runs already. Calls may come from several threads. Ctrl-C ends the call that waits and nothing else. Handlers
    (plain functions) and listeners run in threads beside it: they may call the client, and may block. `close`, or the
    end of `with`, ends the threads, and the client for good.
    """

    client: NeurographWSClient
    _worker: Worker | None
    _is_closed: bool
    _lock: threading.Lock
    _sources: Threads
    _handlers: Threads
    _listeners: Threads

    __init__ = _made(NeurographWSClient.__init__)

    connect = _blocking(NeurographWSClient.connect)
    run_forever = _blocking(NeurographWSClient.run_forever)
    wait_for = _blocking(NeurographWSClient.wait_for)
    subscribe = _followed(NeurographWSClient.subscribe)
    unsubscribe = _blocking(NeurographWSClient.unsubscribe)
    history = _blocking(NeurographWSClient.history)
    diagnose = _blocking(NeurographWSClient.diagnose)
    publish = _blocking(NeurographWSClient.publish)
    publish_media = _blocking(NeurographWSClient.publish_media)
    emit = _blocking(NeurographWSClient.emit)
    emit_batch = _blocking(NeurographWSClient.emit_batch)
    emit_text = _blocking(NeurographWSClient.emit_text)
    ping = _blocking(NeurographWSClient.ping)
    get_reconnection_token = _blocking(NeurographWSClient.get_reconnection_token)
    send = _blocking(NeurographWSClient.send)
    request = _blocking(NeurographWSClient.request)

    @property
    def worker(self) -> Worker:
        """The thread that runs the client, from the first call until `close`."""
        with self._lock:
            if self._worker is None and not self._is_closed:
                self._worker = Worker("neurograph-client")
            if self._worker is None:
                raise Closed("the client was closed")
            return self._worker

    def close(self, code: int = 1000, reason: str = "", *, forget: bool = False) -> None:
        """As `NeurographWSClient.close`, and the threads end; may be called more than once.

        Calls of other threads that still wait raise Closed. In a handler it does not wait for that handler: the event
        that it has in hand counts as not handled.
        """
        with self._lock:
            worker, self._worker, self._is_closed = self._worker, None, True
        try:
            if worker is not None:
                worker.wait(self.client.close(code, reason, forget=forget))
        finally:
            if worker is not None:
                worker.stop()
            for threads in (self._handlers, self._sources):
                threads.close(forget=True)
            self._listeners.close(forget=False)

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what it looks like ------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it last tried to connect; empty before."""
        return self.client.url

    @property
    def state(self) -> State:
        """Where the client stands."""
        return self.client.state

    @property
    def welcome(self) -> Welcome | None:
        """The latest `welcome`."""
        return self.client.welcome

    @property
    def role(self) -> str | None:
        """The role the hub gave."""
        return self.client.role

    @property
    def rtt(self) -> float | None:
        """Seconds from the last ping to its answer."""
        return self.client.rtt

    @property
    def reconnection_token(self) -> str | None:
        """The newest token that restores this session; secret, and good for minutes."""
        return self.client.reconnection_token

    @property
    def positions(self) -> Mapping[str, str]:
        """Where each channel stands: everything up to here was handled or told as a gap."""
        return self._look(lambda: self.client.positions)

    @property
    def restored(self) -> tuple[str, ...]:
        """Channels that the reconnection token restored and that nobody has subscribed to here yet."""
        return self._look(lambda: self.client.restored)

    def stats(self) -> ClientStats:
        """What went in and out, what was missed, what waits."""
        return self._look(self.client.stats)

    @property
    def untold(self) -> int:
        """What listeners were not told, because more than `MAX_TOLD` of it waited for one that is slow."""
        return self._listeners.dropped

    def forget(self, *channels: str) -> None:
        """Forget the positions of channels that are not subscribed, or of all of those; ValueError for others."""
        self._look(lambda: self.client.forget(*channels))

    def try_now(self) -> None:
        """End the wait for the next attempt; nothing happens where none is waited for."""
        self._look(self.client.try_now)

    def on(self, event: Told, handler: Callable[[Any], Any]) -> Callable[[], None]:
        """As `NeurographWSClient.on`; `handler` is called on a thread beside, in the order of what is told."""
        stop = self._look(lambda: self.client.on(event, lambda value: self._tell(handler, value)))
        return lambda: self._look(stop)

    def __repr__(self) -> str:
        try:
            text = self._look(lambda: repr(self.client), _LOOK_WITHIN)
        except Exception:  # noqa: BLE001 - a log line or a debugger asks, also for what is half made or busy
            return object.__repr__(self)
        return text.replace("NeurographWSClient", "SyncClient", 1)

    def _look(self, act: Callable[[], R], seconds: float | None = None) -> R:
        """On the thread of the client, or here where there is none that could change what is looked at."""
        worker = self._worker
        if worker is not None:
            with contextlib.suppress(Closed):
                return worker.call(act, seconds)
        return act()

    # -- handlers ----------------------------------------------------------------------------------------------------

    def _in_a_thread(self, handler: Callable[[Any], Any]) -> Callable[[Event[Any]], Awaitable[Any]]:
        if inspect.iscoroutinefunction(handler):
            raise TypeError(
                "handler: expected a plain function, got a coroutine function; NeurographWSClient takes those"
            )

        async def handle(item: Event[Any]) -> None:
            await asyncio.wrap_future(self._handlers.start(partial(_handle, handler, item, current_task())))

        return handle

    def _tell(self, handler: Callable[[Any], Any], value: Any) -> None:
        self._listeners.start(partial(_listen, handler, value))


def _handle(handler: Callable[[Any], Any], item: Event[Any], task: asyncio.Future[Any] | None) -> None:
    """Call a handler, so that what it asks for is known to be asked for by it."""
    before = CALLER.set(task)
    try:
        handler(item)
    finally:
        CALLER.reset(before)


def _listen(handler: Callable[[Any], Any], value: Any) -> None:
    try:
        handler(value)
    except BaseException:  # noqa: BLE001 - whatever it raises harms nobody
        logger.exception("a listener raised")
