"""What a valid credential says of its bearer, and how an invalid one is refused."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from channels.buckets import Rate
from channels.permissions import Role

Slug = Literal["token_invalid", "token_expired", "token_revoked"]
Kind = Literal["jwt", "api_key", "anonymous"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Bearer of a credential. `expires_at`, `issued_at`: seconds of the wall clock; `token_id` names the credential."""

    subject: str | None
    role: Role
    expires_at: float | None = None
    token_id: str | None = None
    kind: Kind = "jwt"
    issued_at: float = 0.0
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """Buckets of L22 that an API key has of its own."""
    signer: str | None = None
    """Issuer and key of a token, see `hub.auth.tokens.Issuer.signer`; None of what is no token."""
    decided_at: float | None = None
    """When an operator gave the role (C17); None: it is that of the credential."""

    def after(self, former: "Identity") -> "Identity":
        """Who this bearer is where `former` was before, of whom an operator may have decided (R7).

        The decision holds against every credential but one that was issued after it, so that presenting the old one
        again undoes nothing. What does not say when it was issued (no `iat`, an API key) does not end it either.
        """
        if former.decided_at is None or former.subject != self.subject or (self.decided_at or 0.0) >= former.decided_at:
            return self
        if self.token_id != former.token_id and self.issued_at > former.decided_at:
            return self
        return replace(self, role=former.role, decided_at=former.decided_at)


MAX_TOKEN_ID = 128
"""Bytes of a credential's id that are kept as they are."""


def name_of(token_id: str) -> str:
    """How the credential of that id is called here: an id that is long by its hash, for it goes into tokens (R2)."""
    return token_id if len(token_id.encode(errors="replace")) <= MAX_TOKEN_ID else hash_of(token_id)


def hash_of(text: str) -> str:
    """A name for `text` that tells nothing of it."""
    return "sha256:" + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


ANONYMOUS = Identity(subject=None, role=Role.ANONYMOUS, kind="anonymous")


class AuthError(Exception):
    """A credential that was presented and is not valid (C10). The message is for its bearer and repeats none of it."""

    def __init__(self, slug: Slug, message: str) -> None:
        super().__init__(message)
        self.slug: Slug = slug
        self.message = message


def invalid(message: str) -> AuthError:
    """The refusal of something that was never valid."""
    return AuthError("token_invalid", message)
