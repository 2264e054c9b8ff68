"""`/api/v1/auth`: the development issuer's tokens, and revocation (C2-C4, hardening.md 3.6 and 3.7)."""

from typing import Any, Literal

import structlog
from msgspec import Struct

from channels.permissions import Role
from hub.auth import AuthError, Identity, Revocation
from hub.auth.identity import name_of
from hub.auth.issuer import DevelopmentIssuer, Grant, RoleError
from hub.auth.passwords import PoolFullError
from hub.auth.revocation import MAX_NAME, NEVER, RevocationsFullError
from hub.auth.tokens import MAX_SUBJECT
from hub.http.answers import HttpProblem
from hub.http.bodies import decode
from hub.http.endpoints import Call, check_credential, identify
from hub.protocol.errors import Refusal

MAX_USER = 256
"""Characters of a user name that choose its bucket: what is charged must not fill the memory."""

_PATHS = {"token": "token_id", "subject": "subject"}

log = structlog.get_logger("hub.auth")


class Login(Struct):
    """Body of `/token`."""

    username: str
    password: str
    role: str | None = None
    ttl: float | None = None

    def check(self, most: float, setting: str) -> Role | None:
        """The role that is asked for. Refusal: what cannot be; the longest life is `most` seconds, by `setting`."""
        if not 1 <= len(self.username.encode()) <= MAX_SUBJECT:
            came = len(self.username.encode())
            raise Refusal("bad_message", f"username: expected 1 to {MAX_SUBJECT} bytes, came {came}", path="username")
        if self.ttl is not None and not 1 <= self.ttl <= most:
            text = f"ttl: expected 1 to {most:g} seconds ({setting}), came {self.ttl:g}"
            raise Refusal("bad_message", text, path="ttl", limit=int(most))
        if self.role is None:
            return None
        try:
            role = Role.parse(self.role)
        except ValueError as error:
            raise Refusal("bad_message", f"role: {error}", path="role") from None
        if role is Role.ANONYMOUS:
            raise Refusal("bad_message", "role: expected one that needs a token, came anonymous", path="role")
        return role


class Renewal(Struct):
    """Body of `/refresh`, for who sends the token there instead of in `Authorization`."""

    token: str


class Withdrawal(Struct):
    """Body of `/revoke`: exactly one of the two."""

    token_id: str | None = None
    subject: str | None = None


async def token(call: Call) -> dict[str, Any]:
    """A token for a user and a password; any content type, as `curl -d` sends it.

    With `role` one of that role, with `ttl` one that lives so many seconds.
    """
    issuer = _issuer(call)
    login = decode(await call.body(), Login)
    _charge(call, call.info.address, f"user {login.username[:MAX_USER]}")
    _check_failures(call)
    settings = call.hub.settings
    role = login.check(*max((settings.token_ttl_max, "NG_TOKEN_TTL_MAX"), (settings.token_ttl, "NG_TOKEN_TTL")))
    now = call.hub.wall()
    try:
        grant = await issuer.login(login.username, login.password, now, role=role, ttl=login.ttl)
    except PoolFullError:
        raise Refusal("overloaded", "too many logins are waiting", retry_after=1.0) from None
    except RoleError as error:
        call.hub.counters.add("auth", "password", "forbidden")
        log.warning("auth.role_refused", user=login.username, role=login.role, audit=True)
        raise Refusal("forbidden", str(error), path="role") from None
    if grant is None:
        call.hub.authenticator.record_failure(call.info.address, call.hub.monotonic())
        call.hub.counters.add("auth", "password", "refused")
        log.warning("auth.password_refused", user=login.username, audit=True)
        raise AuthError("token_invalid", "no user of that name has that password")
    call.hub.counters.add("auth", "password", "ok")
    log.info("auth.token_issued", user=login.username, role=grant.role, audit=True)
    return _shape(grant)


async def refresh(call: Call) -> dict[str, Any]:
    """A new token for a valid one, from `Authorization` or the body."""
    issuer = _issuer(call)
    _charge(call, call.info.address)
    identity = await _bearer(call)
    if identity.kind != "jwt":
        raise Refusal("token_invalid", "expected a token of this hub; an API key needs no refresh")
    log.info("auth.token_refreshed", user=identity.subject, role=identity.role, audit=True)
    return _shape(issuer.refresh(identity, call.hub.wall()))


async def revoke(call: Call) -> dict[str, Any]:
    """Void a token by its id (`jti`), or everything a subject was issued until now (admin).

    In force on this node until the credential itself has expired or the node restarts (`hub.auth.revocation`).
    """
    call.require(Role.ADMIN)
    wanted = decode(await call.body(), Withdrawal)
    if (wanted.token_id is None) == (wanted.subject is None):
        raise Refusal("bad_message", "expected exactly one of token_id and subject", path="token_id")
    now = call.hub.wall()
    scope: Literal["token", "subject"] = "subject" if wanted.token_id is None else "token"
    name = given = wanted.token_id or wanted.subject or ""
    if not 1 <= len(name) <= MAX_NAME:
        raise Refusal("bad_message", f"expected 1 to {MAX_NAME} characters, came {len(name)}", path=_PATHS[scope])
    if scope == "token":
        name = name_of(given)
    revocation = Revocation(scope, name, now, _end_of(call, name) if scope == "token" else NEVER)
    try:
        call.hub.authenticator.revocations.revoke(revocation)
    except RevocationsFullError as error:
        raise Refusal("overloaded", str(error)) from None
    call.hub.actions.record("admin.revoke", call.identity, {"scope": scope, "name": name})
    return {"scope": scope, "revoked": given}


def _end_of(call: Call, token_id: str) -> float:
    """When the credential ends by itself, where that is known; a subject may hold API keys and tokens of any life."""
    is_own = token_id == call.identity.token_id
    known = call.identity.expires_at if is_own else call.hub.authenticator.expiry_of(token_id)
    return NEVER if known is None else known


async def _bearer(call: Call) -> Identity:
    if "authorization" in call.request.headers:
        return identify(call.request, call.hub, call.info)
    return check_credential(decode(await call.body(), Renewal).token, call.hub, call.info)


def _issuer(call: Call) -> DevelopmentIssuer:
    if call.hub.issuer is None:
        raise HttpProblem(404, "not_found", "this hub issues no tokens in production; ask your identity provider")
    return call.hub.issuer


def _check_failures(call: Call) -> None:
    wait = call.hub.authenticator.failures.wait(call.info.address, call.hub.monotonic())
    if wait:
        call.hub.counters.error("auth", "rate")
        raise Refusal("rate_limited", "too many failed logins from this address", retry_after=round(wait, 3))


def _charge(call: Call, *names: str) -> None:
    """The bucket of `/api/v1/auth`, per address and per user (hardening 3.7)."""
    now = call.hub.monotonic()
    for name in names:
        bucket = call.hub.auth_buckets.bucket(name, "auth", now)
        wait = bucket.take(1, now) if bucket else 0.0
        if wait:
            call.hub.counters.add("rate_limited", "auth")
            raise Refusal("rate_limited", f"auth: {call.hub.settings.auth_rate}", retry_after=round(wait, 3))


def _shape(grant: Grant) -> dict[str, Any]:
    """RFC 6749's names, and `token` as the protocol calls it."""
    return {
        "access_token": grant.token,
        "token": grant.token,
        "token_type": "bearer",
        "expires_in": grant.expires_in,
        "role": grant.role.value,
    }
