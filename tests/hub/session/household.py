"""Connections of one hub that resume each other's sessions, and what tests say to them."""

from typing import Any

from channels.config import Catalog
from channels.publication import Position
from hub.auth import ANONYMOUS, Identity
from hub.resumption import Resumption
from hub.session import Policy, Subscribe
from hub.session.policy import Surroundings
from tests.hub.session.support import Bench, bench, developer, log_in

GOAWAY = {"type": "goaway", "reason": "draining", "reconnect_in": [0.5, 20], "deadline": 30}
TABLES = {"room": {"subscribe": ["developer"]}}
WHERE = {"actions": "k3Fq:4410", "metrics": "k3Fq:18"}


class Household:
    """Connections of one hub, which know each other's tokens."""

    def __init__(self, resumption: Resumption | None = None, **limits: Any) -> None:
        self.tables: dict[str, Any] = TABLES
        self.resumption = Resumption() if resumption is None else resumption
        self._limits = limits

    def peer(self, who: Identity | None = ANONYMOUS, **options: Any) -> Bench:
        catalog = Catalog.from_tables(self.tables)
        around = Surroundings(Policy(**self._limits), catalog, log_in, resumption=self.resumption)
        return bench(who, surroundings=around, **options)

    def token(self, peer: Bench, **positions: str) -> str:
        """A token of `peer`, whose cursors stand at `positions`."""
        peer.send({"type": "get_reconnection_token"})
        return told_token(peer, positions)


def located(peer: Bench, positions: dict[str, str]) -> list[Any]:
    """What the session wants when the plane has told `positions`."""
    return peer.session.located({name: Position.parse(text) for name, text in positions.items()}, peer.moment)


def told_token(peer: Bench, positions: dict[str, str]) -> str:
    (answer,) = messages(peer, located(peer, positions))
    assert answer["type"] == "reconnection_token"
    token: str = answer["token"]
    return token


def messages(peer: Bench, effects: list[Any]) -> list[dict[str, Any]]:
    """What of `effects` the peer is sent, cursors as if the plane had put them."""
    found = []
    for effect in peer.take(effects):
        if isinstance(effect, dict):
            found.append(effect)
        elif isinstance(effect, Subscribe):
            found.append(peer.decode(b'"position":"k3Fq:7","behind":2'.join(effect.reply)))
    return found


def following(household: Household, who: Identity | None = None) -> tuple[Bench, str]:
    """Somebody who follows `actions` and `metrics`, and a token that says so."""
    peer = household.peer(who or developer())
    peer.send(
        {"type": "subscribe", "channel": "actions", "ack": 64},
        {"type": "subscribe", "channel": "metrics", "max_rate": 5},
    )
    return peer, household.token(peer, **WHERE)


def resumed(peer: Bench, reconnection_token: str, **members: Any) -> list[Any]:
    return peer.send({"type": "connect", "id": 1, "resume": reconnection_token, **members})


def specs_of(effects: list[Any]) -> dict[str, Any]:
    (effect,) = [effect for effect in effects if isinstance(effect, Subscribe)]
    return {spec.channel: spec for spec in effect.specs}


def resumed_effects(peer: Bench, token: str) -> list[Any]:
    return peer.session.received(peer.encode({"type": "connect", "resume": token}), peer.moment)


def refusal(peer: Bench, reconnection_token: str, **members: Any) -> tuple[int, str]:
    before = (peer.session.identity, peer.session.session, dict(peer.session.subscriptions))
    (answer,) = resumed(peer, reconnection_token, **members)
    assert (peer.session.identity, peer.session.session, peer.session.subscriptions) == before
    return answer["code"], answer["error"]
