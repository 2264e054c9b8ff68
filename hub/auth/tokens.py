"""JSON Web Tokens: whose they are, whether they hold, what they say (C9, RFC 8725, hardening.md 3.1 and 3.2)."""

import base64
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import jwt

from channels.permissions import Role
from hub.auth.identity import AuthError, Identity, hash_of, invalid, name_of
from hub.auth.keys import Key
from hub.auth.verified import Verified, VerifiedTokens

LEEWAY = 30.0
"""Seconds a clock may be ahead of ours (C9). `exp` has none: C15 closes at `exp`, so an accepted token lives."""
MAX_SUBJECT = 256
_TYPES = {None, "JWT", "at+jwt", "application/at+jwt"}
"""`typ` keeps access tokens apart from other signed things (RFC 8725, 3.11)."""
_FOREIGN_KEYS = ("jku", "x5u", "jwk", "x5c")


class KeySource(Protocol):
    """Where an issuer's keys are. MUST answer at once; MUST NOT touch the network in `find`."""

    def find(self, kid: str | None) -> Key | None:
        """The key of that name, or None; without a name, the only key there is."""
        ...

    def accepted(self) -> Iterable[Key]:
        """Every key that is accepted now."""
        ...


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody whose tokens count, with their own keys. `name` None: tokens need no `iss` (development only)."""

    name: str | None
    audience: str | None
    keys: KeySource

    def signer(self, key: Key) -> str:
        """A name for this issuer with `key`, which tells nothing of either: it goes into reconnection tokens (R7)."""
        return _signer(self.name, key.fingerprint)

    def accepts(self, signer: str) -> bool:
        """Whether a token of `signer` may still be one of ours."""
        return any(self.signer(key) == signer for key in self.keys.accepted())


@lru_cache(1_024)
def _signer(name: str | None, fingerprint: bytes) -> str:
    return hash_of(f"{name or ''}\0{fingerprint.hex()}")


class TokenReader:
    """Turns a token into an identity, by the issuers that the configuration names."""

    def __init__(self, issuers: Mapping[str | None, Issuer], verified: VerifiedTokens | None = None) -> None:
        self._issuers = issuers
        self.verified = VerifiedTokens() if verified is None else verified

    def read(self, token: str, now: float) -> Identity:
        """Identity of the bearer; raises `AuthError`. `now`: seconds of the wall clock."""
        return self.verified.find(token, now) or self._check(token, now)

    def _check(self, token: str, now: float) -> Identity:
        header, unverified = _peek(token)
        issuer = self._issuer_of(unverified)
        key = _key_for(header, issuer)
        claims = _verified_claims(token, key, issuer)
        identity = _identity(claims, token, now, issuer.signer(key))
        held = Verified(identity, issuer.keys, header.get("kid"), key.fingerprint, _begins_at(claims))
        self.verified.keep(token, held)
        return identity

    def accepts(self, signer: str | None) -> bool:
        """Whether the key that `signer` names is still one of a configured issuer."""
        return signer is not None and any(issuer.accepts(signer) for issuer in self._issuers.values())

    def _issuer_of(self, unverified: Mapping[str, Any]) -> Issuer:
        """Nothing but `iss` is used of a token that is not verified, and it only chooses among configured issuers."""
        name = unverified.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        issuer = issuer or self._issuers.get(None)
        if issuer is None:
            raise invalid("the token is of an issuer this hub does not know")
        return issuer


def _peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified: issuer and key are chosen by them. What they say counts when the library has read
    the token, which is stricter about its form.
    """
    try:
        header, claims, _ = token.split(".")
        return _object(header), _object(claims)
    except (ValueError, TypeError, RecursionError):
        raise invalid("expected a JSON Web Token, came something that is not one") from None


def _object(segment: str) -> dict[str, Any]:
    found = json.loads(base64.b64decode(segment + "=" * (-len(segment) % 4), b"-_", validate=True))
    if not isinstance(found, dict):
        raise TypeError
    return found


def _key_for(header: Mapping[str, Any], issuer: Issuer) -> Key:
    if any(name in header for name in _FOREIGN_KEYS) or "crit" in header:
        raise invalid("the token's header carries keys of its own or a critical extension; neither is accepted")
    if header.get("typ") not in _TYPES:
        raise invalid("expected a token of type JWT or at+jwt, came another type")
    kid = header.get("kid")
    key = issuer.keys.find(kid) if kid is None or isinstance(kid, str) else None
    if key is None:
        raise invalid("the token is signed with a key this hub does not know")
    if header.get("alg") != key.algorithm:
        raise invalid(f"expected a token signed with {key.algorithm}, came another algorithm")
    return key


def _verified_claims(token: str, key: Key, issuer: Issuer) -> dict[str, Any]:
    required = ["exp", "sub", *(["aud"] if issuer.audience else []), *(["iss"] if issuer.name else [])]
    try:
        return jwt.decode(
            token,
            key.material,
            algorithms=[key.algorithm],
            audience=issuer.audience,
            issuer=issuer.name,
            options={
                "require": required,
                "enforce_minimum_key_length": True,
                "verify_aud": issuer.audience is not None,
                "verify_iss": issuer.name is not None,
                # times are compared with `now` below
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.MissingRequiredClaimError as error:
        raise invalid(f"the token lacks the claim {error.claim}") from None
    except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
        raise invalid("the token was issued by or for somebody else") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise invalid("the token's signature or form is not valid") from None


def _identity(claims: Mapping[str, Any], token: str, now: float, signer: str) -> Identity:
    subject = claims["sub"]
    if not (isinstance(subject, str) and 0 < len(subject.encode(errors="replace")) <= MAX_SUBJECT):
        raise invalid(f"expected the claim sub to be a string of 1 to {MAX_SUBJECT} bytes")
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat") if "iat" in claims else 0.0
    if expires_at <= now:
        raise AuthError("token_expired", "the token has expired")
    if _begins_at(claims) > now:
        raise invalid("the token is not valid yet")
    return Identity(subject, _role(claims), expires_at, _token_id(claims, token), "jwt", issued_at, signer=signer)


def _begins_at(claims: Mapping[str, Any]) -> float:
    """From when on a token of these claims may be taken by a clock of ours."""
    return max((_time(claims, name) for name in ("iat", "nbf") if name in claims), default=0.0) - LEEWAY


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise invalid(f"expected the claim {name} to be a number of seconds")
    return float(value)


def _role(claims: Mapping[str, Any]) -> Role:
    try:
        return Role.parse(claims["role"])
    except KeyError:
        raise invalid("the token lacks the claim role") from None
    except (ValueError, TypeError, AttributeError):
        raise invalid("the claim role names no role of this hub") from None


def _token_id(claims: Mapping[str, Any], token: str) -> str:
    """`jti`, or else the token's hash: what a revocation names (hardening 3.6)."""
    name = claims.get("jti")
    return name_of(name) if isinstance(name, str) and name else hash_of(token)
