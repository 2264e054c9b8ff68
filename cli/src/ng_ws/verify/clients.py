"""Clients of a run: how they are made, and what the installed client can do.

A client that cannot resume is no reason not to check a hub: its subscribers start at the head after each cut, tell
themselves what they missed, and the recovery rate says 0.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from ssl import SSLContext
from typing import Any

from neurograph_ws_client import Backoff, NeurographWSClient
from neurograph_ws_client.starts import wire_start

# Faults come every few seconds: a client that waits up to 30 s between attempts would prove nothing.
_BACKOFF = Backoff(base=0.1, cap=1.5)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the installed client can do beyond subscribing."""

    takes_positions: bool
    takes_tokens: bool
    takes_windows: bool
    starts_at_positions: bool
    keeps_journal: bool


def abilities() -> Abilities:
    """Read from the client's own signatures."""
    made = signature(NeurographWSClient.__init__).parameters
    return Abilities(
        takes_positions="positions" in made,
        takes_tokens="reconnection_token" in made,
        takes_windows="ack" in signature(NeurographWSClient.subscribe).parameters,
        starts_at_positions=_starts_at_positions(),
        keeps_journal="journal" in made,
    )


def _starts_at_positions() -> bool:
    try:
        wire_start("aaaa:0")  # a client that cannot says so
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the clients of a run: where the hub is, as whom, and who keeps the wire's journal."""

    url: str
    token: str | None = field(repr=False)
    journal: Callable[[str], Callable[[Mapping[str, Any]], None]]
    able: Abilities
    trust: SSLContext | None = None
    made: Counter[str] = field(default_factory=Counter)

    def client(self, name: str, **given: Any) -> NeurographWSClient:
        """A client that is not connected yet; what the installed one does not take is left out."""
        self.made[name] += 1
        if self.able.keeps_journal:
            # A client made anew counts its connections from 1 again.
            given["journal"] = self.journal(name if self.made[name] == 1 else f"{name}.{self.made[name]}")
        return NeurographWSClient(
            self.url,
            token=self.token,
            backoff=_BACKOFF,
            compression=False,
            ssl=self.trust,
            connect_timeout=3.0,
            timeout=3.0,
            name=f"verify-{name}",
            **given,
        )
