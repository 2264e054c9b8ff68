"""`actions`: what administrators did and what became of it (C21), and the audit lines of the same."""

from collections.abc import Mapping
from typing import Any

import structlog

from hub.auth import Identity
from hub.reporters.publisher import Publisher

log = structlog.get_logger("hub.audit")


class ActionsReporter:
    """Told by whoever carried an action out, after it was carried out."""

    def __init__(self, publisher: Publisher, node: str) -> None:
        self._publisher = publisher
        self._node = node

    def record(self, action: str, actor: Identity, subject_matter: Mapping[str, Any]) -> None:
        """`action` (an event name such as `admin.kick`) by `actor`; key = the action's name."""
        data = {**subject_matter, "by": actor.subject, "role": actor.role.value, "node": self._node, "result": "done"}
        self._publisher.publish("actions", action, data, key=action)
        log.info(action, user=actor.subject, role=actor.role.value, what=dict(subject_matter), audit=True)
