"""Publishes as the plane hands them over, of messages that a test has written."""

from typing import Any

import orjson
from websockets.frames import Frame, Opcode

from channels._native import PublishBatch, Publishes
from tests.support.plane_peer import Running


def text(channel: str = "actions", event: str = "e", **members: Any) -> bytes:
    """One message."""
    return orjson.dumps({"type": "publish", "channel": channel, "event": event, **members})


def runs(*texts: bytes) -> list[Publishes]:
    """What a peer has sent with one write, as far as it is publishes."""
    frames = b"".join(Frame(Opcode.TEXT, one).serialize(mask=True) for one in (*texts, b'{"type":"last"}'))
    with Running() as running:
        conn, _ = running.connect(tail=frames)
        running.event(lambda event: event[2] == b'{"type":"last"}')
        return [a for number, _, a, _ in running.pending if number == conn and isinstance(a, Publishes)]


def batch_of(*texts: bytes) -> PublishBatch:
    """All of them, which must be of one channel, as one append."""
    return PublishBatch([(run, len(run)) for run in runs(*texts)])
