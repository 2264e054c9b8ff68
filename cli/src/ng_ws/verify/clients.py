"""Clients of a run, and how they are made."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from ssl import SSLContext
from typing import Any

from neurograph_ws_client import Backoff, NeurographWSClient

Write = Callable[[Mapping[str, Any]], None]

# Faults come every few seconds: a client that waits up to 30 s between attempts would prove nothing.
_BACKOFF = Backoff(base=0.1, cap=1.5)


class Rover:
    """Names a node for each attempt of one client: `home` first, so that all have some, then any of them."""

    def __init__(self, urls: tuple[str, ...], home: int | None, random: Random) -> None:
        self._urls = urls
        self._home = home
        self._random = random

    def __call__(self) -> str:
        """The next one."""
        home, self._home = self._home, None
        return self._random.choice(self._urls) if home is None else self._urls[home % len(self._urls)]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the clients of a run: where the hubs are, as whom, and who keeps the wire's journal."""

    urls: tuple[str, ...]
    token: str | None = field(repr=False)
    journal: Callable[[str], Write]
    trust: SSLContext | None = None
    seed: int = 0
    made: Counter[str] = field(default_factory=Counter)

    def client(self, name: str, hears: Write | None = None, **given: Any) -> NeurographWSClient:
        """A client that is not connected yet; `hears` is given each line of its journal first."""
        self.made[name] += 1
        # A client made anew counts its connections from 1 again.
        journal = self.journal(name if self.made[name] == 1 else f"{name}.{self.made[name]}")
        return NeurographWSClient(
            self._way(name),
            token=self.token,
            backoff=_BACKOFF,
            compression=False,
            ssl=self.trust,
            connect_timeout=3.0,
            timeout=3.0,
            name=f"verify-{name}",
            journal=journal if hears is None else _both(hears, journal),
            **given,
        )

    def _way(self, name: str) -> str | Rover:
        if len(self.urls) == 1:
            return self.urls[0]
        home = len(self.made) - 1 if self.made[name] == 1 else None
        return Rover(self.urls, home, Random(f"{self.seed}/{name}/{self.made[name]}"))  # noqa: S311 - to be repeated


def _both(first: Write, second: Write) -> Write:
    def write(line: Mapping[str, Any]) -> None:
        first(line)
        second(line)

    return write
