"""Which connection has a session, over all nodes: of those that resumed it the one with the highest claim (R11).

A claim is asked for when a session is resumed and told when its `welcome` is written; who hears of a higher one than
its own closes with 4009. While a claim of this node is on its way nothing is decided: it may be the highest. A claim
that is older than claims are remembered for counts nothing, because their numbers may have begun again.

A claim that could not be made, because the store was away, is made when it is back. That may be after a later resume
has made its own: the generations of both tell which is the older, and who has the newer one claims once more.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from channels.backplane.bus import KEPT_SECONDS, Bus
from channels.errors import BrokerError
from hub.cluster.errands import RETRY, Errands
from hub.cluster.reading import Body, checked, text, whole
from hub.resumption import Resumption
from hub.session import Moment
from hub.takeovers import Takeovers

if TYPE_CHECKING:
    from hub.counters import Counters

KIND = "takeover"


@dataclass(slots=True)
class _Claim:
    number: int = 0
    made_at: float = float("-inf")
    pending: int = 0
    heard: int = 0
    told: int = 0
    is_written: bool = False
    """The `welcome` of its connection."""


class Claims:
    """Those of this node, by session."""

    def __init__(
        self,
        bus: Bus,
        takeovers: Takeovers,
        resumption: Resumption,
        counters: "Counters",
        *,
        moment: Callable[[], Moment],
    ) -> None:
        self._bus = bus
        self._takeovers = takeovers
        self._resumption = resumption
        self._counters = counters
        self._moment = moment
        self._claims: dict[str, _Claim] = {}
        self._unmade: dict[str, None] = {}
        """Sessions whose claim could not be made."""
        self._is_repeating = False
        self._errands = Errands(counters)
        takeovers.claims = self
        bus.listen(KIND, checked(self._heard, counters))

    def __len__(self) -> int:
        return len(self._claims)

    def stop(self) -> None:
        """Ask nobody any more."""
        self._errands.stop()

    def begin(self, session: str) -> None:
        """A connection of this node has resumed `session`."""
        claim = self._claims.setdefault(session, _Claim())
        claim.is_written = False
        self._unmade.pop(session, None)
        self._errands.run(self._ask(session, claim))

    def written(self, session: str) -> None:
        """The `welcome` of the connection that has `session` is written."""
        claim = self._claims.get(session)
        if claim is not None and not claim.is_written:
            claim.is_written = True
            self._settle(session, claim)

    def ended(self, session: str) -> None:
        """The connection that had `session` is gone."""
        claim = self._claims.get(session)
        if claim is not None and not claim.pending:
            del self._claims[session]

    def _ask(self, session: str, claim: _Claim) -> Coroutine[Any, Any, None]:
        """Nothing is decided of `session` until this is done."""
        claim.pending += 1
        return self._make(session, claim, self._moment().now)

    async def _make(self, session: str, claim: _Claim, asked_at: float) -> None:
        number = 0
        try:
            number = await self._bus.claim(session)
        except BrokerError:  # the store is away: until it is back this connection gives way to any other that claims
            self._counters.error("bus", "claim")
            self._unmade[session] = None
            if not self._is_repeating:
                self._is_repeating = True
                self._errands.run(self._repeat())
        finally:
            claim.pending -= 1
        if number > claim.number:
            claim.number, claim.made_at = number, asked_at
        self._settle(session, claim)

    async def _repeat(self) -> None:
        """One after the other, until none is left that could not be made."""
        try:
            while self._unmade:
                await asyncio.sleep(RETRY)
                for session in list(self._unmade):
                    self._unmade.pop(session, None)
                    claim = self._claims.get(session)
                    if claim is not None and self._takeovers.has_owner(session):
                        await self._ask(session, claim)
                    if session in self._unmade:
                        break
        finally:
            self._is_repeating = False

    def _heard(self, _node: str, body: Body) -> None:
        session, number, generation = text(body, "session"), whole(body, "claim"), whole(body, "generation")
        moment = self._moment()
        is_older = generation < self._resumption.generation(session)
        self._resumption.reached(session, generation, moment.wall, moment.now)
        claim = self._claims.get(session)
        if claim is None:
            if not self._takeovers.has_owner(session):
                return
            claim = self._claims[session] = _Claim()
        claim.heard = max(claim.heard, number)
        if is_older and number > claim.number and self._takeovers.has_owner(session):
            self._errands.run(self._ask(session, claim))
        self._settle(session, claim)

    def _settle(self, session: str, claim: _Claim) -> None:
        if claim.pending:
            return
        if not self._takeovers.has_owner(session):  # its connection went while the claim was on its way
            self._claims.pop(session, None)
            return
        is_recent = self._moment().now - claim.made_at <= KEPT_SECONDS
        if claim.heard > (claim.number if is_recent else 0):
            self._takeovers.lose(session)
        elif claim.is_written and claim.number > claim.told:
            claim.told = claim.number
            generation = self._resumption.generation(session)
            self._bus.tell(KIND, {"session": session, "claim": claim.number, "generation": generation}, keep=True)
        if not self._takeovers.has_owner(session):
            self._claims.pop(session, None)
