"""The window after a restart: what the log of `signals` still holds is known, not new (NG_SIGNAL_WARM)."""

import asyncio
from array import array
from typing import TYPE_CHECKING

import msgspec
import structlog

from channels._native import SignalSystem
from channels.broker import MAX_HISTORY, Position
from channels.errors import BrokerError
from channels.signals import CHANNEL

if TYPE_CHECKING:
    from channels.broker import Broker

log = structlog.get_logger("hub")


class _Data(msgspec.Struct):
    vector: list[float]


class _Event(msgspec.Struct):
    data: _Data


async def warm(signals: SignalSystem, broker: "Broker", most: int) -> int:
    """Fill the window with the newest `most` entries of the log that carry a vector. -> how many did

    A log that cannot be read leaves everything new, and is told.
    """
    try:
        if not broker.backplane.is_local:
            await broker.catching_up.wait(CHANNEL)
        warmed = await _read(signals, broker, most)
    except BrokerError as error:
        log.warning("signals.not_warmed", reason=error.message)
        return 0
    log.info("signals.warmed", vectors=warmed)
    return warmed


async def _read(signals: SignalSystem, broker: "Broker", most: int) -> int:
    status = broker.status(CHANNEL)
    if status is None:
        return 0
    head = Position.parse(status.position).offset
    after, warmed = max(head - most, status.first - 1, 0), 0
    while after < head:
        rows = _vectors(broker.history(CHANNEL, after, min(MAX_HISTORY, head - after)))
        warmed += signals.warm(rows) if rows else 0
        after += MAX_HISTORY
        await asyncio.sleep(0)
    return warmed


def _vectors(events: list[bytes]) -> "array[float]":
    rows = array("f")
    for event in events:
        try:
            vector = msgspec.json.decode(event, type=_Event).data.vector
        except msgspec.DecodeError:
            continue  # an event of another kind: tokens that changed, or what somebody has published
        if len(vector) == 8 and all(abs(x) < 3.4e38 for x in vector):
            rows.extend(vector)
    return rows
