"""Whether the nodes of a cluster hold the same keys: a token of one must be good on all of them (R2).

Each tells fingerprints of its keys from time to time, never a key. Keys that are being exchanged differ rightly for a
while: what counts is whether each node can open what the other seals now.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from channels.backplane.bus import Bus

if TYPE_CHECKING:
    from hub.counters import Counters

KIND = "keys"
TELL_TICKS = 5
"""Seconds between two times of telling."""
MOST_KEYS = 64
MOST_NODES = 1_000
_SEALING = "reconnection tokens (NG_TOKEN_KEYS, or NG_JWT_SECRET)"
_SIGNING = "credentials (NG_JWT_SECRET)"

log = structlog.get_logger("hub.cluster")


class Fingerprints(NamedTuple):
    """Of the keys of one node. `sealing`: newest first; `signing`: None where credentials are signed elsewhere."""

    sealing: tuple[str, ...]
    signing: str | None


class Agreement:
    """What other nodes have told of their keys."""

    def __init__(self, bus: Bus, own: Fingerprints, counters: "Counters") -> None:
        self._bus = bus
        self._own = own
        self._counters = counters
        self._others: dict[str, Fingerprints] = {}
        self._told: dict[str, str] = {}
        """Of which node the operator was told that its keys differ, and which."""
        self._ticks = 0
        bus.listen(KIND, self._heard)

    @property
    def differing(self) -> Mapping[str, str]:
        """Nodes that are there and whose keys are others than ours: which of them."""
        return self._told

    @property
    def knows(self) -> int:
        """Nodes that have told of their keys."""
        return len(self._others)

    @property
    def failure(self) -> str | None:
        """A sentence for operators; None: all nodes agree, as far as they have told."""
        if not self._told:
            return None
        node, keys = next(iter(self._told.items()))
        return f"{len(self._told)} nodes have other keys, {node} among them, for {keys}: set the same ones on all nodes"

    def sweep(self) -> None:
        """Once a second: tell, and forget nodes that are gone."""
        if self._ticks % TELL_TICKS == 0:
            self._bus.tell(KIND, {"sealing": list(self._own.sealing[:MOST_KEYS]), "signing": self._own.signing})
        self._ticks += 1
        there = self._bus.nodes()
        for node in self._others.keys() - there.keys():
            del self._others[node]
            self._told.pop(node, None)

    def _heard(self, node: str, body: Mapping[str, Any]) -> None:
        prints = _read(body)
        if prints is None:
            self._counters.error("bus", "unreadable")
            return
        if node not in self._others and len(self._others) >= MOST_NODES:
            return
        self._others[node] = prints
        keys = self._difference(prints)
        if not keys:
            if self._told.pop(node, None) is not None:
                log.info("node.keys_agree", other=node)
        elif self._told.get(node) != keys:
            self._told[node] = keys
            log.warning("node.keys_differ", other=node, keys=keys, audit=True)

    def _difference(self, prints: Fingerprints) -> str:
        own, found = self._own, []
        if own.sealing[0] not in prints.sealing or prints.sealing[0] not in own.sealing:
            found.append(_SEALING)
        if None not in (own.signing, prints.signing) and own.signing != prints.signing:
            found.append(_SIGNING)
        return " and ".join(found)


def _read(body: Mapping[str, Any]) -> Fingerprints | None:
    sealing, signing = body.get("sealing"), body.get("signing")
    if not isinstance(sealing, list) or not 1 <= len(sealing) <= MOST_KEYS:
        return None
    if not all(isinstance(one, str) for one in sealing) or not isinstance(signing, str | None):
        return None
    return Fingerprints(tuple(sealing), signing)
