"""Clients of a run, and how they are made."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from neurograph_ws_client import Backoff, NeurographWSClient

# Faults come every few seconds: a client that waits up to 30 s between attempts would prove nothing.
_BACKOFF = Backoff(base=0.1, cap=1.5)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the clients of a run: where the hub is, as whom, and who keeps the wire's journal."""

    url: str
    token: str | None = field(repr=False)
    journal: Callable[[str], Callable[[Mapping[str, Any]], None]]
    trust: SSLContext | None = None
    made: Counter[str] = field(default_factory=Counter)

    def client(self, name: str, **given: Any) -> NeurographWSClient:
        """A client that is not connected yet."""
        self.made[name] += 1
        # A client made anew counts its connections from 1 again.
        journal = self.journal(name if self.made[name] == 1 else f"{name}.{self.made[name]}")
        return NeurographWSClient(
            self.url,
            token=self.token,
            backoff=_BACKOFF,
            compression=False,
            ssl=self.trust,
            connect_timeout=3.0,
            timeout=3.0,
            name=f"verify-{name}",
            journal=journal,
            **given,
        )
