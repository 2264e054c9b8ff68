"""Sessions that outlive their connection: the tokens that carry them, and what this node remembers of them (R1-R15).

A token holds the whole session, sealed, so that resuming needs no memory of the server. What is remembered is only what
a token cannot know: the generation that the session has reached (R10), what an operator or the client decided since
(R7, R15), and what was acknowledged (R8). Where that memory is lost, seal and expiry alone decide.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]
import structlog

from channels.buckets import Rate
from channels.permissions import Role
from channels.publication import Position
from hub.auth import Identity
from hub.auth.sealing import Sealer, SealError
from hub.protocol.errors import Refusal

TTL = 300.0
"""Seconds that a token is good (R1)."""
GRACE = 30.0
"""Seconds for which tokens of the generation before still resume (R10)."""
MAX_SESSIONS = 200_000
"""Sessions that something is remembered of; the one that was not touched for the longest goes first."""
MAX_TOKEN = 16_384
MAX_URL_TOKEN = 6_144
"""Characters of a token (R2), and of one in a URL (R3)."""
_FORMAT = 2

log = structlog.get_logger("hub.ws")


class Held(NamedTuple):
    """One subscription as a token holds it."""

    position: Position
    options: Mapping[str, Any]
    """`delivery`, `on_slow` and, where set, `max_rate` and `ack`: as `subscribed` told them."""


@dataclass(frozen=True, slots=True)
class SealedSession:
    """What a token restores. `expires_at`: seconds of the wall clock."""

    session: str
    generation: int
    identity: Identity
    expires_at: float
    subscriptions: Mapping[str, Held] = field(default_factory=dict)


@dataclass(slots=True)
class _Memory:
    """What is known of one session besides its tokens; `until`, on the wall clock, no token of it lives longer."""

    until: float
    generation: int = 0
    raised_at: float = float("-inf")
    decided: Identity | None = None
    """As an operator made its bearer."""
    acked: dict[str, Position] = field(default_factory=dict)


class Resumption:
    """Issues tokens, opens them, and remembers; one per hub."""

    def __init__(
        self,
        sealer: Sealer | None = None,
        *,
        ttl: float = TTL,
        is_revoked: Callable[[Identity, str], bool] = lambda _identity, _session: False,
        today: Callable[[Identity], Identity | None] = lambda identity: identity,
        grace: float = GRACE,
        most: int = MAX_SESSIONS,
    ) -> None:
        """`today`: who the bearer of a sealed identity is by the present settings; None if nobody any more (R7)."""
        self._sealer = Sealer([secrets.token_bytes(32)]) if sealer is None else sealer
        self.on_forgotten: Callable[[str], None] = lambda _: None
        """Told of each session whose tokens are dead by decision."""
        self.on_role: Callable[[str, Identity], None] = lambda *_: None
        """Told of each session that an operator gave another role."""
        self.evicted = 0
        """Sessions of which something was forgotten before its time, for there were too many."""
        self._ttl = ttl
        self._grace = grace
        self._is_revoked = is_revoked
        self._today = today
        self._most = most
        self._sessions: OrderedDict[str, _Memory] = OrderedDict()
        self._forgotten: OrderedDict[str, float] = OrderedDict()
        """Session -> until when, on the wall clock, no token of it is taken."""

    def __len__(self) -> int:
        return len(self._sessions)

    # --- tokens -------------------------------------------------------------------------------------------------------

    def issue(
        self, session: str, generation: int, identity: Identity, subscriptions: Mapping[str, Held], wall: float
    ) -> tuple[str, float]:
        """A token, and the seconds it is good for: never longer than the credential (R1).

        Raises `Refusal` 413 where the session does not fit into one (R2): `open` would refuse it.
        """
        left = self._ttl if identity.expires_at is None else min(self._ttl, max(0.0, identity.expires_at - wall))
        sealed = SealedSession(session, generation, identity, wall + left, subscriptions)
        token = self._sealer.seal(_pack(sealed))
        if len(token) > MAX_TOKEN:
            raise Refusal(
                "too_large",
                f"expected a session whose token has at most {MAX_TOKEN} characters, came one of "
                f"{len(token)}: unsubscribe something",
                limit=MAX_TOKEN,
            )
        self._memory(session, sealed.expires_at)
        return token, left

    def open(self, token: str, wall: float, now: float) -> SealedSession:
        """What `token` restores, for whom it is today; raises `Refusal` 410 in the order of R5. Changes nothing."""
        if not 0 < len(token) <= MAX_TOKEN:
            raise _expired(f"expected a token of 1 to {MAX_TOKEN} characters, came {len(token)}")
        sealed = self._unseal(token)
        if sealed is None:
            raise _expired("expected a reconnection token that this hub has sealed, or one with the same keys")
        if sealed.expires_at <= wall:
            raise _expired("expected a token that has not expired")
        memory = self._sessions.get(sealed.session)
        if self._forgotten.get(sealed.session, 0.0) > wall or self._is_revoked(sealed.identity, sealed.session):
            raise Refusal(
                "resume_revoked",
                "the session of this token is no longer to be resumed; log in, and subscribe from positions (R14)",
                path="resume",
            )
        if memory is not None and sealed.generation < memory.generation:
            is_lost_welcome = sealed.generation == memory.generation - 1 and now - memory.raised_at <= self._grace
            if not is_lost_welcome:
                log.warning("resume.reused", session=sealed.session, generation=sealed.generation, audit=True)
                raise _expired("a newer token of this session was used before")
        present = self._present(sealed, memory)
        return sealed if present is sealed.identity else replace(sealed, identity=present)

    def claim(self, sealed: SealedSession, wall: float, now: float) -> int:
        """`sealed` resumes its session. -> the generation that its new tokens carry (R10)"""
        memory = self._memory(sealed.session, wall + self._ttl)
        if sealed.generation >= memory.generation:
            memory.generation, memory.raised_at = sealed.generation + 1, now
        return memory.generation

    def generation(self, session: str) -> int:
        """What the session has reached, as far as it is remembered."""
        memory = self._sessions.get(session)
        return 0 if memory is None else memory.generation

    def reached(self, session: str, generation: int, wall: float, now: float) -> None:
        """On another node the session has reached `generation` (R10)."""
        memory = self._memory(session, wall + self._ttl)
        if generation > memory.generation:
            memory.generation, memory.raised_at = generation, now

    # --- memory -------------------------------------------------------------------------------------------------------

    def acknowledged(self, session: str, positions: Mapping[str, Position]) -> None:
        """The client has handled everything up to `positions`, and so much was sent (M36); no former one is undone."""
        memory = self._sessions.get(session)
        if memory is None:
            return
        for channel, position in positions.items():
            former = memory.acked.get(channel)
            if former is None or not former.reaches(position):
                memory.acked[channel] = position

    def unfollowed(self, session: str, channel: str) -> None:
        """The subscription is over, and what was acknowledged of it with it."""
        memory = self._sessions.get(session)
        if memory is not None:
            memory.acked.pop(channel, None)

    def acked(self, session: str, channel: str) -> Position | None:
        """The last position of `channel` that the session acknowledged, as far as it is remembered (R8)."""
        memory = self._sessions.get(session)
        return None if memory is None else memory.acked.get(channel)

    def role_changed(self, session: str, decided: Identity, wall: float) -> None:
        """An operator gave the bearer of the session another role: tokens made before do not undo that (R7)."""
        self._memory(session, wall + self._ttl).decided = decided
        self.on_role(session, decided)

    def forget(self, session: str, wall: float, until: float | None = None) -> None:
        """The tokens of the session are dead: the client wants it (R15), or an operator has thrown it out.

        Their list is apart from what else is remembered, so that no number of sessions makes it forget one.
        `until`: where it was decided earlier, when the last token of then is over.
        """
        ends = wall + self._ttl if until is None else min(until, wall + self._ttl)
        known = self._forgotten.pop(session, ends)
        self._forgotten[session] = max(known, ends)
        if len(self._forgotten) > self._most:
            self._forgotten.popitem(last=False)
            self.evicted += 1
        self.on_forgotten(session)

    def forgotten(self, wall: float) -> Iterator[tuple[str, float]]:
        """Sessions whose tokens are dead by decision, and until when."""
        return ((session, until) for session, until in self._forgotten.items() if until > wall)

    def decided(self, wall: float) -> Iterator[tuple[str, Identity]]:
        """Sessions that an operator gave another role, as far as a token of before may still be good."""
        for session, memory in self._sessions.items():
            if memory.decided is not None and memory.until > wall:
                yield session, memory.decided

    def sweep(self, wall: float) -> None:
        """Forget the sessions of which no token can be good any more."""
        while self._sessions and next(iter(self._sessions.values())).until <= wall:
            self._sessions.popitem(last=False)
        while self._forgotten and next(iter(self._forgotten.values())) <= wall:
            self._forgotten.popitem(last=False)

    def _memory(self, session: str, until: float) -> _Memory:
        memory = self._sessions.setdefault(session, _Memory(until))
        memory.until = max(memory.until, until)
        self._sessions.move_to_end(session)
        while len(self._sessions) > self._most:
            self._sessions.popitem(last=False)
            self.evicted += 1
        return memory

    def _present(self, sealed: SealedSession, memory: _Memory | None) -> Identity:
        identity = self._today(sealed.identity)
        if identity is None:
            raise Refusal(
                "resume_revoked",
                "the credential of this session is no longer known; log in, and subscribe from positions (R14)",
                path="resume",
            )
        identity = identity.after(sealed.identity)
        return identity if memory is None or memory.decided is None else identity.after(memory.decided)

    def _unseal(self, token: str) -> SealedSession | None:
        try:
            return _unpack(self._sealer.open(token))
        except (SealError, ValueError, TypeError, KeyError, IndexError):  # what a former version sealed may differ
            return None


def _expired(message: str) -> Refusal:
    return Refusal("resume_expired", f"{message}; log in, and subscribe from positions (R14)", path="resume")


def _pack(sealed: SealedSession) -> bytes:
    identity = sealed.identity
    bearer = (
        identity.subject,
        identity.role.value,
        identity.expires_at,
        identity.token_id,
        identity.kind,
        identity.issued_at,
        {name: (rate.capacity, rate.refill) for name, rate in identity.rates.items()},
        identity.signer,
        identity.decided_at,
    )
    held = {channel: (str(one.position), dict(one.options)) for channel, one in sealed.subscriptions.items()}
    packed: bytes = msgpack.packb((_FORMAT, sealed.session, sealed.generation, bearer, sealed.expires_at, held))
    return packed


def _unpack(data: bytes) -> SealedSession:
    form, session, generation, bearer, expires_at, held = msgpack.unpackb(data)
    if form != _FORMAT:
        raise ValueError(f"expected format {_FORMAT}, came {form}")
    subject, role, credential_ends, token_id, kind, issued_at, rates, signer, decided_at = bearer
    own = {name: Rate(*rate) for name, rate in rates.items()}
    identity = Identity(subject, Role(role), credential_ends, token_id, kind, issued_at, own, signer, decided_at)
    subscriptions = {channel: Held(Position.parse(position), options) for channel, (position, options) in held.items()}
    return SealedSession(session, generation, identity, expires_at, subscriptions)
