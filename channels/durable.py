"""Durable logs as the broker sees them: who is told what became of entries, and what the last run has left."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from channels.directory import Directory, OpenLog, Placement
from channels.errors import BrokerError, LogUnavailable, OutcomeUnknown

if TYPE_CHECKING:
    from collections import deque

    from channels.backplane import Backplane
    from channels.plane import LogPlane

logger = logging.getLogger(__name__)


class DurableLogs:
    """What the plane tells of logs that are kept on disk."""

    def __init__(
        self, plane: "LogPlane", logs: Callable[[], Directory], backplane: "Backplane", wall: Callable[[], float]
    ) -> None:
        self.unwritable: dict[int, str] = {}
        """Logs that could not be written the last time, by number: the channel, and why."""
        self._plane = plane
        self._logs = logs
        self._backplane = backplane
        self._wall = wall

    @property
    def unwritable_channels(self) -> frozenset[str]:
        """The channels of `unwritable`."""
        names = map(self._logs().name_of, self.unwritable)
        return frozenset(name for name in names if name is not None)

    def outage(self, channel: str) -> str:
        """What its subscribers hear while `channel` cannot be written."""
        log = self._logs().get(channel)
        _, _, why = self.unwritable.get(-1 if log is None else log.log, "").partition(": ")
        return f"the log of {channel} could not be written: {why}" if why else f"the log of {channel} is unreachable"

    def stored(self, number: int, epoch: str, offset: int) -> None:
        """EVENT_STORED of log `number`: everything up to `offset` is."""
        self.unwritable.pop(number, None)
        placements = self._placements(number)
        while placements and placements[0].epoch == epoch and placements[0].last <= offset:
            _settle(placements.popleft(), None)

    def store_failed(self, number: int, epoch: str, first: int, text: str, *, is_uncertain: bool) -> None:
        """EVENT_STORE_FAILED of log `number`: what had a place in `epoch` from `first` on by then is not stored.

        What stands before `first` there is. Those that failed are the oldest, as far as their places rise: what came
        later has the first place again.
        """
        log = self._logs().numbered(number)
        if log is None:
            return
        self.stored(number, epoch, first - 1)
        self.unwritable[number] = f"{log.channel}: {text}"
        if not log.placements or log.placements[0].epoch != epoch:
            return
        kind = OutcomeUnknown if is_uncertain else LogUnavailable
        error = kind(f"the log of {log.channel} could not be written: {text}", channel=log.channel)
        logger.error("%s", error.message)
        failed = [log.placements.popleft()]
        while log.placements and _is_after(log.placements[0], failed[-1]):
            failed.append(log.placements.popleft())
        for placement in failed:
            _settle(placement, error)

    def retain_failed(self, number: int, text: str) -> None:
        """EVENT_RETAIN_FAILED of log `number`: its files are not within their bounds, or only with a loss."""
        log = self._logs().numbered(number)
        if log is not None:
            logger.error("what %s keeps on disk could not be cut to its bounds as it should: %s", log.channel, text)

    def closed(self, log: OpenLog) -> None:
        """The log is forgotten, and that it could not be written."""
        self.unwritable.pop(log.log, None)

    def opened(self, log: OpenLog) -> None:
        """A durable log is open: say what was found of it, and take up its `mid`s."""
        for kind, text in self._plane.recovery_notes(log.log):
            if kind == "torn":
                logger.warning("the log of %s was cut to its last whole record: %s", log.channel, text)
            else:
                logger.warning("the log of %s begins another epoch (%s): %s", log.channel, kind, text)
        epoch, now = self._logs().info(log)["epoch"], self._wall()
        marks = self._plane.recovered_marks(log.log)
        self._backplane.recover(log.channel, [(f"{epoch}:{offset}", now - ts, mark) for offset, ts, mark in marks])

    def _placements(self, number: int) -> "deque[Placement] | None":
        log = self._logs().numbered(number)
        return None if log is None else log.placements


def _is_after(placement: Placement, former: Placement) -> bool:
    return placement.epoch == former.epoch and placement.first > former.last


def _settle(placement: Placement, error: BrokerError | None) -> None:
    if placement.settled is None:
        return
    try:
        placement.settled(error)
    except Exception:
        logger.exception("what was to be done after storing failed")
