"""Filters judge what a log has kept before a subscription reads it: what is replayed and missed must be known (R9).

It is done on a thread of its own, one subscription after the other, so that neither the event loop nor the I/O threads
are held up by it; a few entries are left to the I/O thread.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from channels._native import PlaneError, PlaneOverloaded
from channels.catching_up import CatchUp, Errors
from channels.directory import Directory, OpenLog, unavailable
from channels.errors import BrokerError, Overloaded
from channels.subscription import SubscribeSpec

if TYPE_CHECKING:
    from channels._native import Delivery, OnSlow, Sieve, Start
    from channels.plane import LogPlane

    Cursor = tuple[int, Delivery, OnSlow, float | None, Start, bool, int | None, Sieve | None]

AT_ONCE = 1_024
"""Entries that an I/O thread judges by itself: less than a millisecond."""


class Judging:
    """Who waits for which filters."""

    def __init__(self, plane: "LogPlane", logs: Directory, catching_up: CatchUp) -> None:
        self._plane = plane
        self._logs = logs
        self._catching_up = catching_up
        self._thread: ThreadPoolExecutor | None = None

    def stop(self) -> None:
        """Nothing is begun any more; what was asked for is not answered."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def sieve(self, log: OpenLog, spec: SubscribeSpec, *, must: bool = False) -> "Sieve | None":
        """What `spec` lets through; None: everything. Raises `BrokerError`. `must`: whatever the bounds are."""
        if spec.filter is None and spec.policy is None:
            return None
        try:
            return self._plane.sift(log.log, spec.filter, spec.policy, must=must)
        except PlaneOverloaded as error:
            raise Overloaded(f"no further filter is taken on {spec.channel}: {error}", channel=spec.channel) from error
        except PlaneError as error:
            raise unavailable(spec.channel, error) from error

    def cursor(self, log: OpenLog, spec: SubscribeSpec, *, must: bool) -> "Cursor":
        """`spec` as the plane takes it; raises `BrokerError` if there are too many filters, unless it `must` be."""
        options = (spec.delivery, spec.on_slow, spec.max_rate, spec.start, spec.keep, spec.ack)
        return (log.log, *options, self.sieve(log, spec, must=must))

    def ask(self, specs: Sequence[SubscribeSpec], errors: Errors, done: Callable[[Errors], None]) -> Errors | None:
        """Whether what `specs` read has been judged: what stands against it; None: `done` hears that later."""
        found: dict[str | None, BrokerError] = dict(errors)
        waiting = list(self._waiting(specs, found))
        if not waiting:
            return found
        channels = [spec.channel for spec in specs]
        self._catching_up.begun(channels)

        def end(_job: "asyncio.Future[None]") -> None:
            self._catching_up.ended(channels)
            if not _job.cancelled():
                done(found)

        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="filters")
        # The sieves are held until `done` has used them: what they have judged goes with the last who holds them.
        job = asyncio.get_running_loop().run_in_executor(self._thread, _judge, waiting)
        job.add_done_callback(end)
        return None

    def _waiting(
        self, specs: Sequence[SubscribeSpec], errors: dict[str | None, BrokerError]
    ) -> "Iterator[tuple[Sieve, Start]]":
        for spec in specs:
            if spec.keep or spec.channel in errors:
                continue
            try:
                sieve = self.sieve(self._logs.use(spec.channel), spec)
            except BrokerError as error:
                errors[spec.channel] = error
                continue
            if sieve is not None and sieve.unjudged(spec.start) > AT_ONCE:
                yield sieve, spec.start


def _judge(waiting: "Sequence[tuple[Sieve, Start]]") -> None:
    for sieve, start in waiting:
        sieve.judge(start)
