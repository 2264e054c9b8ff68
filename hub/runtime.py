"""A hub inside a process: for notebooks, tests of applications, and programs that need no server of their own.

with Runtime() as hub:
    hub.emit("signal.input.text", "disk failing on db4")
    print(hub.status(), hub.url, hub.query("disk failing").top(5))
"""

import asyncio
import atexit
import io
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import orjson

from channels._native import EmitResult, SignalSystem, encode_text
from channels.errors import ConfigError
from hub import logs
from hub.app import create_app
from hub.config import Settings, load_settings
from hub.listener import listen, port_of
from hub.matches import Matches, matches
from hub.server import HubServer, run

if TYPE_CHECKING:
    import socket

    from hub.hub import Companion, Hub

PATIENCE = 20.0
"""Seconds that a start, a stop or a question to the hub's loop may take."""
NOT_STARTED = "the hub does not run: expected start() before"
DEVELOPMENT: Mapping[str, Any] = {"port": 0, "dev_file": None}
"""What differs from the defaults of a server: a free port, and nothing is written to disk."""

T = TypeVar("T")
Status = Literal["stopped", "running"]


class Runtime:
    """One hub with its SignalSystem, in a thread of its own. Any thread may call; all calls block.

    Settings are those of `hub.config.Settings`, by name; what is not given comes from the environment and defaults, but
    the port is a free one and no secret is kept on disk. Raises `ConfigError` for one that is wrong. Unless the process
    has set its log up, the hub's lines go nowhere; channel `logs` has them.
    """

    def __init__(self, settings: Settings | None = None, companions: Sequence["Companion"] = (), **given: Any) -> None:
        if settings is not None and given:
            raise ConfigError(f"Runtime: expected settings or their names, came both ({', '.join(given)})")
        self.settings = _settings(given) if settings is None else settings
        self._companions = companions
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._is_ready = threading.Event()
        self._error: BaseException | None = None
        self._server: HubServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- life ---------------------------------------------------------------------------------------------------------

    def bind(self) -> Self:
        """Take the port, so that `url` is known before the start. Raises `PortError`."""
        self._bound()
        return self

    def start(self) -> Self:
        """Serve; returns when it is ready. Raises what stopped the start; does nothing where it runs."""
        if self.status() == "running":
            return self
        listener = self._bound()
        _set_up_logs(self.settings)
        self._is_ready.clear()
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(listener,), name=f"hub {self.port}", daemon=True)
        self._thread.start()
        if not self._is_ready.wait(PATIENCE):
            raise TimeoutError(f"the hub did not start within {PATIENCE:g} s")
        if self._error is not None:
            self._release()
            raise self._error
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Close every connection by 4301 and end. Raises if it does not end, or ended with an error."""
        atexit.unregister(self.stop)
        thread, server, loop = self._thread, self._server, self._loop
        if thread is not None and thread.is_alive() and server is not None and loop is not None:
            loop.call_soon_threadsafe(setattr, server, "should_exit", True)
        if thread is not None:
            thread.join(PATIENCE)
        self._release()
        if thread is not None and thread.is_alive():
            raise TimeoutError(f"the hub did not stop within {PATIENCE:g} s")
        self._thread = None
        if self._error is not None:
            raise self._error

    def join(self, seconds: float | None = None) -> bool:
        """Wait until it has ended, for whatever reason. -> whether it has"""
        if self._thread is not None:
            self._thread.join(seconds)
        return self.status() == "stopped"

    def status(self) -> Status:
        """Whether it serves."""
        return "running" if self._thread is not None and self._thread.is_alive() else "stopped"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = f" {self.url}" if self._listener is not None else ""
        return f"<Runtime {self.status()}{where}>"

    # --- where it is --------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on; RuntimeError before it has one."""
        if self._listener is None:
            raise RuntimeError("the hub has no port yet: expected start() or bind() before")
        return port_of(self._listener)

    @property
    def url(self) -> str:
        """Of the WebSocket endpoint."""
        return f"ws://{self.settings.host}:{self.port}/ws"

    def token(self, role: str = "developer") -> str:
        """A credential for a role: admin, developer, viewer or bot; development only. Raises `ConfigError`."""
        tokens = self.hub.tokens
        if role not in tokens:
            expected = ", ".join(tokens) or "NG_MODE=development, since production has no ready tokens"
            raise ConfigError(f"token: expected {expected}, came {role}")
        return tokens[role]

    @property
    def hub(self) -> "Hub":
        """The hub itself; its parts belong to the hub's loop (`call`), but for the SignalSystem."""
        if self._server is None:
            raise RuntimeError(NOT_STARTED)
        hub: Hub = self._server.config.app.state.hub  # type: ignore[union-attr]
        return hub

    @property
    def signals(self) -> SignalSystem:
        """The SignalSystem: tokens, connections between them, novelty, neighbours."""
        return self.hub.signals

    # --- work ---------------------------------------------------------------------------------------------------------

    def emit(
        self,
        event_type: str,
        vector_or_text: Sequence[float] | str,
        *,
        priority: int = 128,
        payload: Any = None,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> EmitResult:
        """Process a signal: 8 numbers, or a text by the built-in encoder. -> token_id, is_novel, neighbors, …

        `payload` is any JSON value. Raises `SignalValueError`, `SignalOverloaded`, `SignalSystemError`.
        """
        content = None if payload is None else orjson.dumps(payload)
        vector = _vector(vector_or_text)
        return self.signals.emit(event_type, vector, priority, key=key, tags=tags, payload=content)

    def query(
        self,
        vector_or_text: Sequence[float] | str,
        limit: int = 10,
        *,
        radius: float | None = None,
        event_type: str | None = None,
    ) -> Matches:
        """The at most 64 most similar tokens of the window, as (token, similarity), the most similar first."""
        return matches(self.signals, _vector(vector_or_text), limit, radius, event_type)

    def create_token(self, vector_or_text: Sequence[float] | str, *, event_type: str = "token") -> int:
        """Make a token without a signal. -> its id"""
        return self.signals.create_token(_vector(vector_or_text), event_type=event_type)

    def get_metrics(self) -> dict[str, Any]:
        """The figures as channel `metrics` told them last: `system`, `core` (the SignalSystem), `hub`."""
        return self.call(lambda hub: hub.metrics_reporter.snapshot())

    def call(self, work: "Callable[[Hub], T]") -> T:
        """`work(hub)` on the hub's loop."""

        hub = self.hub

        async def on_loop() -> T:
            return work(hub)

        return self.wait(on_loop())

    def wait(self, awaitable: Awaitable[T], patience: float = PATIENCE) -> T:
        """The result of something awaited on the hub's loop; TimeoutError after `patience` seconds."""

        async def on_loop() -> T:
            return await awaitable

        if self._loop is None:
            raise RuntimeError(NOT_STARTED)
        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(patience)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _bound(self) -> "socket.socket":
        if self._listener is None:
            self._listener = listen(self.settings.host, self.settings.port, may_step=False)
        return self._listener

    def _run(self, listener: "socket.socket") -> None:
        try:
            self._server = HubServer(create_app(self.settings, self._companions), self.settings, self._ready)
            run(self._server, listener)
        except BaseException as error:  # noqa: BLE001 - raised again where the hub is started or stopped
            self._error = error
        finally:
            self._is_ready.set()

    def _ready(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_ready.set()

    def _release(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


class _Nowhere(io.TextIOBase):
    """Takes lines and keeps none."""

    def write(self, text: str) -> int:
        return len(text)


def _settings(given: Mapping[str, Any]) -> Settings:
    # `load_settings` takes None as "not given": what is to be None is set behind it.
    chosen = {**DEVELOPMENT, **given}
    nothing = {name: None for name, value in chosen.items() if value is None}
    return load_settings(chosen).model_copy(update=nothing)


def _set_up_logs(settings: Settings) -> None:
    """The process's output stays as it is, if there is one."""
    logs.current(
        level=settings.log_level,
        rate=settings.log_rate,
        node=settings.node,
        shows_users=settings.log_users,
        stream=_Nowhere(),  # type: ignore[arg-type]  # what print needs of a stream
    )


def _vector(vector_or_text: Sequence[float] | str) -> Sequence[float]:
    return encode_text(vector_or_text) if isinstance(vector_or_text, str) else vector_or_text
