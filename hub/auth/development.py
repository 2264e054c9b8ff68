"""What development keeps between runs: a random secret and a token for each role, in `.ng/dev.json` (0600)."""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from channels.errors import ConfigError
from channels.permissions import Role
from hub.auth.identity import AuthError, Identity
from hub.auth.issuer import DevelopmentIssuer
from hub.refusals import DEVELOPMENT_PREFIX, SECRET_BYTES

TOKEN_TTL = 24 * 3_600.0
RENEW_BELOW = 12 * 3_600.0
"""A kept token with less life than this is replaced, so that the banner's tokens are good for half a day at least."""


@dataclass(frozen=True, slots=True)
class DevelopmentState:
    """Secret and tokens of the last run."""

    secret: str
    tokens: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<DevelopmentState {', '.join(self.tokens)}>"


def new_secret() -> str:
    """A secret whose beginning tells where it comes from: production refuses it."""
    return DEVELOPMENT_PREFIX + secrets.token_urlsafe(32)


def read_state(path: Path | None) -> DevelopmentState:
    """What the last run kept; a fresh secret where there is nothing. `ConfigError` if the file is something else."""
    if path is None or not path.exists():
        return DevelopmentState(new_secret(), {})
    try:
        document = orjson.loads(path.read_bytes())
        secret, tokens = document["secret"], document["tokens"]
        if len(secret.encode()) < SECRET_BYTES or not all(isinstance(token, str) for token in tokens.values()):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{path}: expected the file that development wrote, came something else; remove it") from None
    return DevelopmentState(secret, dict(tokens))


def write_state(path: Path | None, state: DevelopmentState) -> None:
    """Keep it for the next run, readable by its owner only, and whole at any moment."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(
            orjson.dumps({"secret": state.secret, "tokens": dict(state.tokens)}, option=orjson.OPT_INDENT_2) + b"\n"
        )
    fresh.replace(path)


def ready_tokens(
    issuer: DevelopmentIssuer, kept: Mapping[str, str], check: Callable[[str, float], Identity], now: float
) -> dict[str, str]:
    """A token for each role but anonymous: the kept one while it is good, else a new one."""
    roles = [role for role in Role if role is not Role.ANONYMOUS]
    return {role.value: _ready_token(issuer, role, kept.get(role.value, ""), check, now) for role in roles}


def _ready_token(
    issuer: DevelopmentIssuer, role: Role, kept: str, check: Callable[[str, float], Identity], now: float
) -> str:
    try:
        identity = check(kept, now)
    except AuthError:
        return issuer.issue(role.value, role, now, TOKEN_TTL).token
    is_good = identity.role is role and (identity.expires_at or 0.0) - now >= RENEW_BELOW
    return kept if is_good else issuer.issue(role.value, role, now, TOKEN_TTL).token
