"""`ng-ws repl`, and `-i`: the hub line by line. What the hub sends goes to stdout, everything else to stderr."""

import asyncio
import contextlib
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from neurograph_ws_client import Event, Gap, HubError, NeurographWSClient, State, StateChange, encode_text
from neurograph_ws_client.urls import masked

from .emit import vector_of
from .exits import Exit, Failed
from .failures import explained
from .filters import filter_of
from .hub import close, new_client, one_line, run
from .lines import stdin_lines
from .notes import Notes
from .render import object_line, renderer
from .settings import Settings
from .signal_text import signal_line
from .stdout import put
from .values import value_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HELP = """\
/sub CHANNEL [EXPRESSION]   follow a channel, like /sub signals is_novel and priority >= 150
/unsub CHANNEL              stop following it
/pub CHANNEL DATA           store an event: JSON, or a text
/emit TYPE VECTOR|TEXT      send a signal
/subs /stats /status        what is followed; figures of this client; who the hub takes us for
/ping                       the way there and back
/help /quit
a line without /            is sent as a text signal (signal.input.text)"""

_TEXT = "signal.input.text"
_PRIORITY = 200


def repl(settings: Settings) -> Exit:
    """Read and answer lines until /quit, the end of input, or Ctrl-C."""
    return run(_Repl(settings).run())


class _Repl:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._notes = Notes(settings)
        self._render = renderer(settings)
        self._client: NeurographWSClient = new_client(settings)
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "help": self._help,
            "sub": self._sub,
            "unsub": self._unsub,
            "pub": self._pub,
            "emit": self._emit,
            "subs": self._subs,
            "stats": self._stats,
            "status": self._status,
            "ping": self._ping,
        }

    async def run(self) -> Exit:
        """From the first connection to the end."""
        talking = asyncio.ensure_future(self._talk())
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, talking.cancel)
        try:
            await asyncio.wait({talking})
        finally:
            await close(self._client)
        return Exit.INTERRUPTED if talking.cancelled() else talking.result()

    async def _talk(self) -> Exit:
        self._client.on("error", lambda fault: self._notes.warn(one_line(fault)))
        self._client.on("state", self._state_changed)
        welcome = await self._client.connect()
        self._notes.say(f"{welcome.role} at {masked(self._client.url)}; /help says what can be typed")
        self._prompt()
        async for line in stdin_lines():
            if line.strip() in {"/quit", "/exit"}:
                break
            await self._line(line.strip())
            self._prompt()
        return Exit.OK

    def _prompt(self) -> None:
        if sys.stdin.isatty() and sys.stderr.isatty():
            print("ng-ws> ", end="", file=sys.stderr, flush=True)

    async def _line(self, line: str) -> None:
        """One line; what goes wrong is told, and does not end it."""
        if not line:
            return
        name, _, rest = line[1:].partition(" ") if line.startswith("/") else ("emit", "", f"{_TEXT} {line}")
        try:
            if name not in self._commands:
                raise Failed(Exit.USAGE, f"/{name}: expected one of /{', /'.join(self._commands)}, /quit")
            await self._commands[name](rest.strip())
        except (HubError, Failed, ValueError) as fault:
            failure = fault if isinstance(fault, Failed) else explained(fault)
            self._notes.warn(failure.message)
            for hint in failure.hint.split("\n") if failure.hint else []:
                self._notes.warn(hint.strip())

    def _state_changed(self, change: StateChange) -> None:
        if change.new is State.RECONNECTING or change.old is State.RECONNECTING:
            self._notes.warn(f"{change.old} to {change.new}{f': {change.reason}' if change.reason else ''}")

    def _take(self, item: Event[Any] | Gap) -> None:
        if isinstance(item, Gap):
            self._notes.warn(str(item))
        put(self._render(item))

    # -- what can be typed -------------------------------------------------------------------------------------------

    async def _help(self, _rest: str) -> None:
        for line in HELP.splitlines():
            self._notes.warn(line)

    async def _sub(self, rest: str) -> None:
        channel, _, expression = rest.partition(" ")
        _needed("/sub CHANNEL [EXPRESSION]", channel)
        wanted = filter_of(expression)[0] if expression.strip() else None
        with contextlib.suppress(HubError):
            await self._client.unsubscribe(channel)
        await self._client.subscribe(channel, self._take, filter=wanted, on_full="wait", gaps=True)
        self._notes.say(f"following {channel}")

    async def _unsub(self, rest: str) -> None:
        _needed("/unsub CHANNEL", rest)
        await self._client.unsubscribe(rest)
        self._notes.say(f"not following {rest}")

    async def _pub(self, rest: str) -> None:
        channel, _, data = rest.partition(" ")
        _needed("/pub CHANNEL DATA", channel, data)
        stored = await self._client.publish(
            channel, value_of(data, hint='a text stands in its own quotes: "text"'), retry=True
        )
        self._notes.say(f"stored on {channel} at {stored.position}")

    async def _emit(self, rest: str) -> None:
        event_type, _, signal_text = rest.partition(" ")
        _needed("/emit TYPE VECTOR|TEXT", event_type, signal_text)
        vector = vector_of(signal_text)
        payload = None if vector is not None else {"text": signal_text}
        emitted = await self._client.emit(
            event_type, vector or encode_text(signal_text), priority=_PRIORITY, payload=payload, retry=True
        )
        near = [asdict(one) for one in emitted.neighbors]
        self._notes.say(signal_line(emitted.token_id, near, is_novel=emitted.is_novel))

    async def _subs(self, _rest: str) -> None:
        for channel, figures in self._client.stats().subscriptions.items():
            self._notes.say(f"{channel}  {figures.state}  {figures.position or '-'}")

    async def _stats(self, _rest: str) -> None:
        stats = self._client.stats()._asdict()
        put(object_line({name: value for name, value in stats.items() if name != "subscriptions"}))

    async def _status(self, _rest: str) -> None:
        welcome = self._client.welcome
        if welcome is None:
            raise Failed(Exit.CONNECT, f"not connected: {self._client.state}")
        rights = ", ".join(f"{name} ({' '.join(rights)})" for name, rights in welcome.channels.items())
        self._notes.say(f"{welcome.user or 'nobody'} as {welcome.role} on {welcome.node}, {welcome.conn}: {rights}")

    async def _ping(self, _rest: str) -> None:
        self._notes.say(f"{await self._client.ping() * 1000:.3f} ms")


def _needed(form: str, *words: str) -> None:
    if not all(word.strip() for word in words):
        raise Failed(Exit.USAGE, f"expected {form}")
