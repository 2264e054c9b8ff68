"""The development issuer: users of a settings file, tokens signed with the hub's own secret; not in production.

An identity provider takes its place there, and this module is not even constructed (id10).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from channels.errors import ConfigError
from channels.permissions import Role
from hub.auth.identity import Identity
from hub.auth.passwords import MAX_PASSWORD, PasswordHash, PasswordPool

# The password is "secret", as in the documents' example; development listens on loopback only.
_SAMPLE = PasswordHash.parse("scrypt$16384$8$1$/bHqd0XGDkc3CYYOVg+FuA==$arDbmCCPytd1srGX184pgw+VrBwlpzgiRiUBxGDlkfA=")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may ask for tokens."""

    name: str
    role: Role
    password: PasswordHash


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and the seconds it lives."""

    token: str
    role: Role
    expires_in: int


class RoleError(Exception):
    """A user asks for a token of a role that is not the user's."""


class DevelopmentIssuer:
    """Makes tokens that the hub's own `Authenticator` accepts.

    Without `users` there is one for each role but anonymous, with the sample password; that password, which is known
    to everybody, then also makes tokens for any other name, of the role that is asked for.
    """

    def __init__(
        self, secret: bytes, users: Mapping[str, User], *, name: str | None, audience: str | None, ttl: float
    ) -> None:
        self._secret = secret
        self._is_open = not users
        self._users = users or _SAMPLES
        self._fixed = {key: value for key, value in (("iss", name), ("aud", audience)) if value}
        self._ttl = ttl
        self._pool = PasswordPool()

    def issue(self, subject: str, role: Role, now: float, ttl: float | None = None) -> Grant:
        """A token for `subject`; `now`: seconds of the wall clock."""
        life = int(self._ttl if ttl is None else ttl)
        claims = {
            "sub": subject,
            "role": role.value,
            "iat": int(now),
            "exp": int(now) + life,
            "jti": secrets.token_urlsafe(12),
        }
        return Grant(jwt.encode({**claims, **self._fixed}, self._secret, algorithm="HS256"), role, life)

    async def login(
        self, username: str, password: str, now: float, *, role: Role | None = None, ttl: float | None = None
    ) -> Grant | None:
        """A token for who knows the password, else None. Unknown users cost as much time as known ones (E5).

        `role`: the one it shall have; RoleError where the user has another. `ttl`: seconds that it shall live.
        """
        user = self._users.get(username)
        if self._is_open and role is not None:
            user = User(username, role, _SAMPLE)
        matches = len(password) <= MAX_PASSWORD and await self._pool.matches(
            user.password if user else _SAMPLE, password
        )
        if user is None or not matches:
            return None
        if role not in {None, user.role}:
            raise RoleError(f"user {user.name} has the role {user.role}, not {role}")
        return self.issue(user.name, user.role, now, ttl)

    def refresh(self, identity: Identity, now: float) -> Grant:
        """A new token for the bearer of a valid one; it lives as long as that was to live."""
        ttl = identity.expires_at - identity.issued_at if identity.expires_at and identity.issued_at else None
        return self.issue(identity.subject or "", identity.role, now, ttl)

    def close(self) -> None:
        """End the pool."""
        self._pool.close()


_SAMPLES = {role.value: User(role.value, role, _SAMPLE) for role in Role if role is not Role.ANONYMOUS}


def read_users(tables: Mapping[str, Any]) -> dict[str, User]:
    """Users of the `[users.NAME]` tables."""
    return {name: _read(name, table) for name, table in tables.items()}


def _read(name: str, table: Any) -> User:
    where = f"users.{name}"
    if not isinstance(table, dict) or set(table) != {"password", "role"}:
        raise ConfigError(f"{where}: expected a table with password and role, came something else")
    try:
        return User(name, Role.parse(table["role"]), PasswordHash.parse(str(table["password"])))
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{where}: {error}") from None
