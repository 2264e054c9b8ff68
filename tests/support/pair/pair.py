"""`Pair`: the client and the hub's core, whole, in one thread, with everything between them in a test's hands.

What the two ends say goes through links (`link.py`) that deliver when they are told to and lose what they are told to
lose; time stands still until it is moved; both ends can die and come back. Every step is checked: each message by
`wire.py` (what the hub owes a connection), each handled item by `model.py` (what the client owes its application).
"""

import asyncio
import random
from contextlib import suppress
from itertools import count
from typing import Any, Self

from neurograph_ws_client import NotWritten, State
from neurograph_ws_client.positions import Position

from channels.permissions import Role
from tests.support.pair.client import ClientEnd
from tests.support.pair.histories import CHANNELS, Histories
from tests.support.pair.hub import HubEnd
from tests.support.pair.link import Link
from tests.support.pair.loop import StillLoop
from tests.support.pair.model import Ask, Stream, check_once_each

SECRET = b"a secret that outlives every hub"
ALL = 1_000_000
AMPLE = 1_000
"""Entries that no test reaches."""
STEP = 1.0
HEALS_WITHIN = 200
"""Steps of a second in which everything is in order again: the longest back-off and the longest deadline pass."""


class Pair:
    """Use as a context manager. Settings are those of `HubEnd`."""

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        self.loop = StillLoop()
        self.histories = Histories()
        self.links: list[Link] = []
        self.asks: list[Ask] = []
        self.role = Role.ADMIN
        self.may_be_closed = False
        """Whether an operator has ended the client, which it then obeys."""
        self._settings = settings
        self._clock = self.loop.of_the_client()
        self._has_journal = seed % 2 == 1
        self._epochs = count(1)
        self._numbers = count(1)
        self._draw = random.Random(seed).random
        self._leaving: list[asyncio.Task[None]] = []
        self.hub: HubEnd | None = HubEnd(self.loop, self.histories, secret=SECRET, epochs=self._epochs, **settings)
        self._former = self.hub
        self.windows: dict[str, int | None] = dict.fromkeys(CHANNELS)
        self.client = self._new_client(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.vanish()
        self.kill_hub()
        self._clock.close()
        self.loop.close()

    # -- what the application asks -------------------------------------------------------------------------------------

    def subscribe(self, channel: str, window: int | None = None) -> None:
        """Follow a channel from its head, with a window if it is said."""
        self._subscribe(self._new_stream(channel), window)

    def subscribe_again(self, channel: str, window: int | None, back: int) -> None:
        """End a subscription and begin one so many entries before what was handled, in the same moment."""
        place = self.client.streams[channel].place
        self.client.unsubscribe(channel)
        stream = self._new_stream(channel)
        stream.place = None if place is None else Position(place.epoch, max(0, place.offset - back))
        self._subscribe(stream, window)

    def subscribe_from_store(self, channel: str) -> None:
        """End a subscription and begin it again where the client itself knows that it stood."""
        stream = self.client.streams[channel]
        self.client.unsubscribe(channel)
        place = self.client.client.positions.get(channel)
        assert place == (None if stream.place is None else str(stream.place)), f"P5: {channel} is kept at {place}"
        self.client.subscribe(stream, self._options(channel), is_from_store=self.client.goes_on)

    def _subscribe(self, stream: Stream, window: int | None) -> None:
        self.windows[stream.channel] = window
        self.client.subscribe(stream, self._options(stream.channel))

    def _options(self, channel: str) -> dict[str, int]:
        window = self.windows[channel]
        return {} if window is None else {"ack": window}

    def publish(self, channel: str, *, with_mid: bool = True) -> Ask:
        """The client publishes the next number."""
        number = next(self._numbers)
        ask = Ask(channel, number, f"m{number}" if with_mid else None)
        self.asks.append(ask)
        self.client.publish(ask)
        return ask

    def publish_elsewhere(self, channel: str, entries: int = 1) -> None:
        """Somebody else publishes so many."""
        if self.hub is not None:
            for _ in range(entries):
                self.hub.publish(channel, next(self._numbers))
            self.loop.turn()

    def handle(self, channel: str | None = None, most: int = ALL) -> int:
        """The application handles up to `most` items of a channel, or of each. -> how many"""
        chosen = list(self.client.streams) if channel is None else [channel]
        return sum(self.client.handle(one, most) for one in chosen if one in self.client.streams)

    @property
    def is_closed(self) -> bool:
        """The client has ended, and tries nothing by itself."""
        return self.client.session.state is State.CLOSED

    # -- connections ---------------------------------------------------------------------------------------------------

    def answer(self, *, well: bool = True) -> None:
        """Answer the oldest attempt to connect: by an upgrade, or not."""
        conn = self.client.opening.popleft()
        if self.hub is None or not well:
            self.client.failed(conn)
        elif self.hub.connections.admission.is_draining:
            self.client.refused(conn, 503)
        else:
            link = Link(conn, self.client, self.hub, self.histories, self.role, self.loop.now)
            self.client.links[conn] = link
            self.links.append(link)
            self.loop.turn()

    def deliver(self, link: Link, *, up: int = ALL, down: int = ALL) -> int:
        """Deliver up to so many frames each way. -> how many there were"""
        return link.deliver_up(up) + link.deliver_down(down)

    def settle(self, rounds: int = 50) -> None:
        """Let everything on the way arrive, and what is said in answer to it."""
        for _ in range(rounds):
            while self.client.opening:
                self.answer()
            if not sum(self.deliver(link) for link in list(self.links)) and not self.client.opening:
                break
        else:
            raise AssertionError("the ends have been talking for ever")
        self._forget_links()
        self.check()
        # A resume that waits for its logs has not been answered, and its session is still where it was.
        owners = {} if self.hub is None or self.waits else self.hub.owners()
        shared = [conns for conns in owners.values() if len(conns) > 1]
        assert not shared, f"R11: of several connections of a session exactly one remains: {shared}"

    def connect(self) -> None:
        """Come in order for the first time."""
        self.settle()
        assert self.client.is_connected

    def _forget_links(self) -> None:
        gone = [link for link in self.links if link.is_over]
        self.links = [link for link in self.links if not link.is_over]
        for link in gone:
            link.client.links.pop(link.conn, None)

    # -- time ----------------------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Time passes, and nothing arrives."""
        target = self.loop.now + seconds
        while True:
            self.client.expire()
            self.loop.turn(3)
            self._sweep()
            if self.loop.now >= target:
                return
            due = self.client.session.deadline()
            times = [target, self.loop.now + STEP, *([] if due is None else [due])]
            self.loop.now = max(self.loop.now, min(times))

    def idle(self, seconds: float) -> None:
        """Time passes, and everything arrives."""
        target = self.loop.now + seconds
        while self.loop.now < target:
            self.settle()
            self.wait(min(STEP, target - self.loop.now))
        self.settle()

    def _sweep(self) -> None:
        if self.hub is not None:
            self.hub.sweep()
        for link in self.links:
            link.sweep()

    # -- logs that are waited for --------------------------------------------------------------------------------------

    @property
    def waits(self) -> int:
        """How many logs are waited for."""
        return 0 if self.hub is None else len(self.hub.backplane.waits)

    def be_slow(self, *, is_slow: bool) -> None:
        """Whoever subscribes waits for the log, from now on or no more."""
        if self.hub is not None:
            self.hub.backplane.is_slow = is_slow

    def wait_in_vain(self) -> None:
        """What is asked for comes a second late, so that the client asks again before the hub gives it up."""
        self.be_slow(is_slow=True)
        self.wait(1)
        for _ in range(22):
            self.settle()
            self.wait(0.25)
        self.be_slow(is_slow=False)

    def end_wait(self, *, well: bool) -> None:
        """The oldest wait for a log is over: it is ready, or cannot be reached."""
        if self.hub is not None:
            self.hub.backplane.answer(well=well)
            self.loop.turn()

    # -- what goes wrong -----------------------------------------------------------------------------------------------

    def cut(self, link: Link | None = None) -> None:
        """Cut a connection, by default all; neither end knows yet."""
        for one in [link] if link is not None else self.links:
            one.cut()

    def hear_of_cuts(self, *, client: bool = True, hub: bool = True) -> None:
        """The ends find out."""
        for link in list(self.links):
            if link.is_cut and client:
                link.client_hears()
            if link.is_cut and hub:
                link.hub_hears()

    def kill_hub(self) -> None:
        """As by kill -9."""
        if self.hub is None:
            return
        for task in self._leaving:
            task.cancel()
            with suppress(asyncio.CancelledError):
                self.loop.run(task)
        self._leaving.clear()
        for link in self.links:
            link.is_hub_over = True
            link.cut()
        self.hub.die()
        self.hub = None

    def start_hub(self, *, keep_logs: bool = True, keep_memory: bool = False) -> None:
        """Another life of the hub: with what was stored or not, and with what only memory held or not."""
        if self.hub is None:
            former = self._former
            self.hub = self._former = HubEnd(
                self.loop,
                self.histories,
                secret=SECRET,
                epochs=self._epochs,
                former=former if keep_logs else None,
                resumption=former.resumption if keep_memory else None,
                **self._settings,
            )

    def restart_client(
        self,
        *,
        with_token: bool = True,
        with_positions: bool = True,
        is_from_store: bool = False,
        subscribes_after: float | None = None,
    ) -> None:
        """The process dies, and another begins with what its store held; what was not handled is lost with it.
        The positions are said by the application as it subscribes, or with `is_from_store` given to the client; then
        it may also subscribe so many seconds after the connect.
        """
        token = self.client.session.restoring.token if with_token else None
        streams = list(self.client.streams.values())
        places = {stream.channel: str(stream.place) for stream in streams if stream.place is not None}
        kept = {channel: text for channel, text in self.client.client.positions.items() if channel in places}
        assert kept == places, f"P5: the client would save {kept}"
        self.client.vanish()
        self.client = self._new_client(token, places if is_from_store else None)
        self.may_be_closed = False
        if subscribes_after is not None and is_from_store:
            self.client.takes_up = False
            self.idle(subscribes_after)
        for stream in streams:
            known = stream if with_positions or is_from_store else self._new_stream(stream.channel)
            self.client.subscribe(known, self._options(stream.channel), is_from_store=is_from_store)
        self.client.takes_up = True

    # -- operators -----------------------------------------------------------------------------------------------------

    def leave(self, slug: str = "rebalance", window: tuple[float, float] = (0.5, 3.0), deadline: float = 10.0) -> None:
        """Every client is asked to reconnect (M50)."""
        if self.hub is not None:
            leaving = self.hub.connections.leave(slug, window, deadline)
            self._leaving.append(self.loop.create_task(leaving))
            self.loop.turn()

    def kick(self) -> None:
        """An operator ends every connection."""
        for link in self.links:
            if self.hub is not None and link.is_whole and self.hub.connections.kick(link.name):
                self.may_be_closed = True
        self.loop.turn()

    def change_role(self, role: Role) -> None:
        """An operator changes it, of every connection that there is (C17)."""
        for link in self.links:
            if self.hub is not None and not link.is_hub_over:
                self.hub.connections.change_role(link.name, role)
        self.role = role
        self.loop.turn()

    # -- the end -------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What holds after every step."""
        if not self.may_be_closed:
            assert not self.is_closed, f"the client gave up: {self.client.session.cause}"

    def heal(self) -> None:
        """End every fault; everything comes in order by itself, and everything owed is handled."""
        if self.hub is not None and self.hub.connections.admission.is_draining:
            self.kill_hub()  # a drain has no other end
        self.start_hub()
        self.be_slow(is_slow=False)
        while self.waits:
            self.end_wait(well=True)
        if self.role is not Role.ADMIN:
            self.change_role(Role.ADMIN)
        for _ in range(HEALS_WITHIN):
            self.hear_of_cuts()
            self.settle()
            if self.is_closed:
                self.restart_client()
            self.handle()
            if self._is_whole():
                break
            self.wait(STEP)
        self.check_end()

    def _is_whole(self) -> bool:
        at_heads = all(stream.place == self.histories.head(channel) for channel, stream in self.client.streams.items())
        is_quiet = not any(link.up or link.down for link in self.links)
        return self.client.is_settled and at_heads and len(self.links) == 1 and is_quiet

    def check_end(self) -> None:
        """Everything healed: heads reached, answers given, one owner, nothing stored twice, no mistake made inside."""
        client, hub = self.client, self.hub
        assert hub is not None
        for channel, stream in client.streams.items():
            head = self.histories.head(channel)
            assert stream.place == head, f"V7, V11: {channel} stands at {stream.place}, its head is {head}"
        assert client.is_settled, f"after {HEALS_WITHIN} s: {client.session.state}, {self.links}, {client.errors[-3:]}"
        assert [link.is_whole for link in self.links] == [True], f"R11: one connection is left, not {self.links}"
        for channel, follow in client.session.follows.items():
            window, wanted = self.links[0].wire.windows.get(channel), follow.options.get("ack")
            assert window == wanted, f"M26: {channel} is delivered by a window of {window}, and {wanted} is wanted"
        forgotten = {name: both for name, both in hub.served().items() if both[0] != both[1]}
        assert not forgotten, f"R2: what is delivered, and what a token would restore: {forgotten}"
        owners = {name: conns for name, conns in hub.owners().items() if conns}
        assert [len(conns) for conns in owners.values()] == [1], f"R11: one connection owns the session: {owners}"
        check_once_each(self.histories)
        internal = [label for label in hub.counters.values["errors"] if label[0] == "internal"]
        assert not internal, f"the hub made mistakes: {internal}"
        assert not client.session.unreadable, f"the client could not read {client.errors}"
        told = [error for error in client.errors if isinstance(error, NotWritten)]
        assert len(told) <= 1, f"a journal that raised is told once: {told}"

    # -- inside --------------------------------------------------------------------------------------------------------

    def _new_client(self, token: str | None, positions: dict[str, str] | None = None) -> ClientEnd:
        asked = (self.loop, self.histories, self._new_stream, self._draw, token, positions)
        return ClientEnd(*asked, has_journal=self._has_journal)

    def _new_stream(self, channel: str) -> Stream:
        is_capped = self._settings.get("resume_events", AMPLE) < AMPLE
        return Stream(channel, self.histories, self._first_kept, is_capped=is_capped)

    def _first_kept(self, channel: str) -> int:
        return self._former.first(channel)
