"""`actions`: what administrators did and what became of it (C21), and the audit lines of the same."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from channels.buckets import Rate, SubjectBuckets
from channels.permissions import Role
from channels.publication import Position, Publication, Stored
from hub.auth import Identity
from hub.reporters.publisher import Publisher

if TYPE_CHECKING:
    from channels._native import Publishes
    from hub.publishing import Share

ACTIONS = "actions"
MAX_PUBLISHERS = 10_000
DEFAULT_RATE = Rate(10, 10)

log = structlog.get_logger("hub.audit")


class ActionsReporter:
    """Told by whoever carried an action out, after it was carried out."""

    def __init__(
        self,
        publisher: Publisher,
        node: str,
        rate: Rate = DEFAULT_RATE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._node = node
        self._monotonic = monotonic
        self._publishers = SubjectBuckets({ACTIONS: rate}, most=MAX_PUBLISHERS)

    def record(self, action: str, actor: Identity, subject_matter: Mapping[str, Any]) -> None:
        """`action` (an event name such as `admin.kick`) by `actor`; key = the action's name."""
        data = {**subject_matter, "by": actor.subject, "role": actor.role.value, "node": self._node, "result": "done"}
        self._publisher.publish(ACTIONS, action, data, key=action)
        log.info(action, user=actor.subject, role=actor.role.value, what=dict(subject_matter), audit=True)

    def published(self, actor: Identity, source: str, publication: Publication, stored: Stored) -> None:
        """What an administrator published, by whichever way; `source` is the connection, or the owner of a request.

        A source is told of as often as the log takes lines of one name; `left_out` counts those that were not told
        since its bucket was last full. What goes to `actions` stands there already, and a repeat stored nothing.
        """
        if actor.role is not Role.ADMIN or publication.channel == ACTIONS or stored.duplicate:
            return
        now = self._monotonic()
        bucket = self._publishers.bucket(source, ACTIONS, now)
        if bucket is None or bucket.take(1, now):
            return
        told = {"channel": publication.channel, "event": publication.event, "position": stored.position}
        left_out = {"left_out": int(bucket.refused)} if bucket.refused else {}
        self.record("admin.publish", actor, {**told, **left_out})

    def published_together(self, shares: "Sequence[Share]", first: Position) -> None:
        """The same of publishes that were stored together."""
        now, offset = self._monotonic(), first.offset
        for connection, run, count in shares:
            session = connection.session
            if session.identity.role is Role.ADMIN and run.channel != ACTIONS:
                bucket = self._publishers.bucket(session.conn, ACTIONS, now)
                if bucket is not None:
                    refused = bucket.refused
                    if told := bucket.take_each(count, now):
                        self._tell(session.identity, run, refused, told, first.epoch, offset)
            offset += count

    def _tell(self, actor: Identity, run: "Publishes", refused: float, count: int, epoch: str, offset: int) -> None:
        left_out = {"left_out": int(refused)} if refused else {}
        for number, event in enumerate(run.events(count), offset):
            told = {"channel": run.channel, "event": event, "position": f"{epoch}:{number}"}
            self.record("admin.publish", actor, {**told, **left_out})

    def sweep(self, now: float) -> None:
        """Forget sources that have been quiet; `now`: monotonic seconds."""
        self._publishers.sweep(now)
