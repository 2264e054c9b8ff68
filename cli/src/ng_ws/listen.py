"""`ng-ws` and `ng-ws sub`: follow channels until told to stop, and say what was missed."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from neurograph_ws_client import (
    Event,
    Gap,
    GoAway,
    HubError,
    PermissionDenied,
    Resumed,
    State,
    StateChange,
    Subscription,
    Switched,
    Welcome,
)
from neurograph_ws_client.durations import shown
from neurograph_ws_client.urls import masked

from .exits import Exit, Failed
from .failures import explained
from .hub import close, new_client, one_line
from .listening import Listening, check_last
from .notes import Notes
from .rates import RateMeter
from .recordings.form import Writer
from .render import Item, Renderer, renderer
from .settings import Settings
from .sink import Sink

# What ends listening: enough events, enough time, Ctrl-C, or nobody who reads.
Ending = Literal["count", "time", "interrupted", "unread"]


# How long a reader is waited for after an interruption, in seconds.
_LAST_WORDS = 0.05

# A shorter wait would be told as 0.0 s.
_AT_ONCE = 0.05


async def listen(settings: Settings, options: Listening, recording: Writer | None = None) -> Exit:
    """Follow channels, for people and pipes or as a recording; the exit code."""
    descriptor = sys.stdout.fileno() if options.output is None else _create(options.output)
    notes = Notes(settings)
    sink = Sink(descriptor)
    render: Renderer = recording or renderer(settings, fields=options.fields)
    if recording is not None:
        sink.write(recording.header())
    listener = Listener(settings, options, notes, sink, render)
    try:
        return await listener.run()
    finally:
        if options.output is not None:
            os.close(descriptor)


class Listener:
    """One run of `sub`."""

    def __init__(self, settings: Settings, options: Listening, notes: Notes, sink: Sink, render: Renderer) -> None:
        self._settings = settings
        self._options = options
        self._notes = notes
        self._sink = sink
        self._render = render
        self._client = new_client(settings)
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._begun_at = monotonic()
        self._is_away = False
        self._missed: set[str] = set()
        self._checked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refusals: list[HubError] = []
        self._looking: asyncio.Future[None] | None = None
        self._meter = RateMeter(settings, sink) if options.shows_rate else None
        self._events = 0
        self._gaps = self._gaps_before = 0

    async def run(self) -> Exit:
        """From the first connection to the summary."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end, "interrupted")
        self._sink.closed.add_done_callback(lambda _: self._end("unread"))
        ending: Ending | None = None
        try:
            ending = await self._follow()
        finally:
            await close(self._client)
            if self._meter is not None:
                self._meter.stop()
            # Who pressed Ctrl-C does not wait for a reader that does not read.
            await self._sink.finish(None if ending in {"count", "time"} else _LAST_WORDS)
        if ending != "unread":
            self._notes.say(self._summary())
        elif (fault := self._sink.closed.result()) is not None:
            raise Failed(Exit.UNEXPECTED, f"cannot write the data: {fault.strerror}")
        return self._exit_of(ending)

    async def _follow(self) -> Ending:
        self._listen_to_client()
        subscriptions = [self._subscribe(channel) for channel in self._options.channels]
        following = asyncio.ensure_future(self._follow_for_ever(subscriptions))
        await asyncio.wait((following, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if not self._ended.done():
            # It ends only by raising what closed the client for good.
            following.result()
        if self._ended.result() == "count":
            # The hub may still owe the answer for one channel while another has delivered enough.
            unanswered = (following, self._checked)
            await asyncio.wait(unanswered, timeout=self._settings.timeout, return_when=asyncio.FIRST_COMPLETED)
        running = [task for task in (following, self._looking) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return await self._ended

    async def _follow_for_ever(self, subscriptions: list[Subscription[Any]]) -> None:
        welcome = await self._client.connect()
        check_last(self._options.start, welcome.limits.resume_events)
        await self._check(subscriptions or self._subscribe_to_all(welcome))
        if self._options.duration is not None:
            asyncio.get_running_loop().call_later(self._options.duration, self._end, "time")
        await self._client.run_forever()

    def _subscribe_to_all(self, welcome: Welcome) -> list[Subscription[Any]]:
        readable = [name for name, rights in welcome.channels.items() if "subscribe" in rights and "*" not in name]
        if not readable:
            raise PermissionDenied(f"role {welcome.role} may not subscribe to any channel", code=403, error="forbidden")
        return [self._subscribe(channel) for channel in readable]

    def _subscribe(self, channel: str) -> Subscription[Any]:
        options = self._options
        return self._client.subscribe(
            channel,
            self._take,
            start=options.start,
            filter=options.filter,
            delivery=options.delivery,
            max_rate=options.max_rate,
            ack=options.ack,
            # A slow reader of ours makes the hub wait, whose log keeps minutes; a queue here would only lose events.
            on_full="wait",
            gaps=True,
        )

    async def _check(self, subscriptions: Sequence[Subscription[Any]]) -> None:
        """Go on if any channel can be followed, and say why the others cannot."""
        outcomes = await asyncio.gather(*subscriptions, return_exceptions=True)
        refusals = [outcome for outcome in outcomes if isinstance(outcome, HubError)]
        self._refusals = sorted(refusals, key=lambda refusal: not isinstance(refusal, PermissionDenied))
        # Where nothing is left to follow, the first one is told as what ended it.
        for refusal in self._refusals[len(refusals) == len(outcomes) :]:
            self._notes.warn(one_line(refusal))
        if len(refusals) == len(outcomes):
            raise self._refusals[0]
        self._checked.set_result(None)
        followed = [one.channel for one in subscriptions if one.error is None]
        welcome = self._client.welcome
        role = welcome.role if welcome else "?"
        self._notes.say(f"{role} at {masked(self._settings.url)}, following {', '.join(followed)} (Ctrl-C ends)")
        if self._options.is_near:
            self._looking = asyncio.ensure_future(self._look_at_silence(subscriptions))

    async def _look_at_silence(self, subscriptions: Sequence[Subscription[Any]]) -> None:
        from . import silence  # noqa: PLC0415 - most listen to everything

        await asyncio.wait((self._ended,), timeout=silence.AFTER)
        if not self._ended.done():
            await silence.explain(self._client, subscriptions, self._notes)

    # -- what comes ------------------------------------------------------------------------------------------------

    def _take(self, item: Item) -> Awaitable[None] | None:
        if self._ended.done():
            return None
        if isinstance(item, Event):
            self._events += 1
            if self._events == self._options.count:
                self._end("count")
        if self._meter is not None:
            self._meter.take(item)
            return None
        return self._sink.write(self._render(item))

    def _listen_to_client(self) -> None:
        self._client.on("state", self._state_changed)
        self._client.on("resumed", self._resumed)
        self._client.on("gap", self._gap_told)
        self._client.on("error", self._error_told)
        self._client.on("goaway", self._goes_away)
        self._client.on("switched", self._switched)

    def _state_changed(self, change: StateChange) -> None:
        if change.new is State.RECONNECTING and change.retry_in is not None:
            self._is_away = True
            why = change.reason if change.reason.startswith("connection lost") else f"connection lost ({change.reason})"
            self._notes.warn(f"{why}; trying again {in_time(change.retry_in)}")

    def _resumed(self, told: Resumed) -> None:
        """What came back is known: said once, with what did not."""
        self._is_away = False
        missed = f"missed: {', '.join(sorted(self._missed))}" if self._missed else "nothing was missed"
        self._missed.clear()
        replayed = f"{_counted(told.replayed, 'event')} replayed, " if told.replayed else ""
        self._notes.say(f"connected again after {shown(told.downtime)}; {replayed}{missed}")

    def _goes_away(self, told: GoAway) -> None:
        self._gaps_before = self._gaps
        way = "" if told.within is None else f": reconnecting {_within(told.within)}"
        self._notes.say(f"the hub goes away ({told.reason}){way}")

    def _switched(self, told: Switched) -> None:
        """A gap was told where it stood; what is still to come is not spoken for."""
        is_certain = told.is_whole and self._gaps == self._gaps_before
        self._notes.say(f"switched to another connection{', nothing was missed' if is_certain else ''}")

    def _gap_told(self, gap: Gap) -> None:
        self._gaps += 1
        if self._is_away:
            self._missed.add(gap.channel)
        self._notes.warn(f"{gap}")

    def _error_told(self, fault: Exception) -> None:
        # Until then `_check` tells why a channel cannot be followed.
        if self._checked.done() or not isinstance(fault, HubError):
            self._notes.warn(one_line(fault))

    def _end(self, ending: Ending) -> None:
        if not self._ended.done():
            self._ended.set_result(ending)

    # -- how it ended ----------------------------------------------------------------------------------------------

    def _summary(self) -> str:
        took = monotonic() - self._begun_at
        rate = self._events / took if took > 0 else 0.0
        return f"{_counted(self._events, 'event')} in {shown(took)} ({rate:.1f}/s), {_counted(self._gaps, 'gap')}"

    def _exit_of(self, ending: Ending) -> Exit:
        if self._gaps and self._options.fail_on_gap:
            return Exit.DATA_LOST
        if ending == "interrupted":
            return Exit.INTERRUPTED
        # A channel that was named and refused is a failure of the command, even if the others delivered.
        is_short = bool(self._refusals and self._options.channels) and ending != "unread"
        return explained(self._refusals[0]).exit_code if is_short else Exit.OK


def in_time(wait: float) -> str:
    """When it is tried again."""
    return f"in {wait:.1f} s" if wait >= _AT_ONCE else "now"


def _within(wait: float) -> str:
    return f"within {wait:g} s" if wait > 0 else "now"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _create(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError as fault:
        raise Failed(Exit.USAGE, f"--output: expected a file to write, got {path}: {fault.strerror}") from fault
