"""A session without a hub around it: fixed clocks, known credentials, and what it wants as plain messages."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import msgpack  # type: ignore[import-untyped]

from channels.config import Catalog
from channels.permissions import Role
from hub.auth import ANONYMOUS, AuthError, Identity
from hub.protocol.subprotocols import CODECS
from hub.session import Effect, Moment, Policy, Send, Session
from hub.session.policy import Surroundings, TooManyFailures

START = Moment(100.0, 1_767_225_600.0)
HOUR = 3_600.0


def identity(role: Role, subject: str = "ann", expires_at: float | None = None) -> Identity:
    return Identity(subject, role, expires_at, token_id=f"t-{subject}")


def log_in(credential: str, address: str, moment: Moment) -> Identity:
    """`developer`, `developer:bob`, `expired`, `revoked`, `flood`; anything else is no credential.

    `developer:bob:now` was issued just now, the others at the beginning of time.
    """
    name, _, rest = credential.partition(":")
    subject, _, is_new = rest.partition(":")
    if name in ("expired", "revoked"):
        raise AuthError("token_expired" if name == "expired" else "token_revoked", f"the credential is {name}")
    if name == "flood":
        raise TooManyFailures(2.5)
    if name not in set(Role):
        raise AuthError("token_invalid", "expected a credential of this test")
    known = identity(Role(name), subject or "ann", moment.wall + HOUR)
    return replace(known, token_id="t-new", issued_at=moment.wall) if is_new else known


@dataclass
class Bench:
    """One session and the clock it is driven by."""

    session: Session
    now: float = 0.0
    log: list[Effect] = field(default_factory=list)

    @property
    def moment(self) -> Moment:
        return Moment(START.now + self.now, START.wall + self.now)

    def send(self, *messages: Any) -> list[Any]:
        """Each message as a frame of its own. -> what comes back, see `read`"""
        return [answer for message in messages for answer in self.send_frame(self.encode(message))]

    def send_frame(self, frame: bytes) -> list[Any]:
        return self.take(self.session.received(frame, self.moment))

    def encode(self, message: Any) -> bytes:
        if isinstance(message, bytes):
            return message
        packed: bytes = (
            msgpack.packb(message) if self.session.codec.encoding == "msgpack" else json.dumps(message).encode()
        )
        return packed

    def take(self, effects: list[Effect]) -> list[Any]:
        """Messages decoded, other effects as they are."""
        self.log += effects
        return [self.decode(effect.data) if isinstance(effect, Send) else effect for effect in effects]

    def decode(self, data: bytes) -> Any:
        return msgpack.unpackb(data) if self.session.codec.encoding == "msgpack" else json.loads(data)


def bench(
    who: Identity | None = ANONYMOUS,
    *,
    subprotocol: str | None = None,
    tables: dict[str, Any] | None = None,
    surroundings: Surroundings | None = None,
    opened: bool = True,
    **limits: Any,
) -> Bench:
    """A session of `who` (None: login required), opened, with `limits` in place of the defaults."""
    around = surroundings or Surroundings(Policy(**limits), Catalog.from_tables(tables or {}), log_in)
    session = Session(
        around,
        conn="c-1",
        session="s-1",
        codec=CODECS[subprotocol],
        address="192.0.2.1",
        identity=who,
        moment=START,
    )
    if opened:
        session.opened(START)
    return Bench(session)


def admin() -> Identity:
    return identity(Role.ADMIN, "root")


def developer() -> Identity:
    return identity(Role.DEVELOPER)
