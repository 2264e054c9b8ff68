"""`ng-ws token`: ask the hub for one, read one without trusting it, try one."""

import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from time import time
from typing import Any

from neurograph_ws_client.claims import part
from neurograph_ws_client.durations import shown
from neurograph_ws_client.urls import is_loopback

from .escape import escaped
from .exits import Exit, Failed
from .hub import connected
from .notes import Notes
from .render import object_line
from .rest import call
from .roles import check_role
from .settings import LONGEST_TOKEN, Format, Settings, no_token_in
from .stdin import first_line
from .stdout import put

# The password of the development users, as the documents have it.
_SAMPLE_PASSWORD = "secret"  # noqa: S105 - published, and refused by any hub but a developer's own


def new(settings: Settings, role: str | None, user: str | None, password: str | None, ttl: float | None) -> None:
    """Ask the hub's issuer; the token goes to stdout, the rest to stderr. `ttl` in seconds.

    Into a pipe too it is the bare token, for `$(…)`; JSON only where that was asked for.
    """
    check_role(role)
    name = user or role
    if name is None:
        raise Failed(Exit.USAGE, "token new: expected --user or --role", "next: ng-ws token new --role developer")
    secret = password or os.environ.get("NG_PASSWORD") or _password(settings)
    wanted = {"username": name, "password": secret, "role": role if user is not None else None, "ttl": ttl}
    body = {member: value for member, value in wanted.items() if value is not None}
    data = call(settings, "POST", "/api/v1/auth/token", body)
    given, life = data.get("role"), data.get("expires_in")
    # A hub of an earlier version passes over what it does not know.
    if ttl is not None and (not isinstance(life, int | float) or life > ttl):
        text = f"expected a token for {shown(ttl)}, the hub gives one for {shown(float(life or 0))}"
        raise Failed(Exit.UNEXPECTED, text, "next: without --ttl, or update the hub")
    if role is not None and given != role:
        text = f"expected a token of role {role}, the hub gives {name} the role {given}"
        raise Failed(Exit.PERMISSION, text, f"next: ng-ws token new --user {name}")
    if settings.format is Format.JSON and settings.is_format_given:
        line = object_line({"token": data["token"], "role": given, "expires_in": data.get("expires_in")})
    else:
        line = f"{data['token']}\n".encode()
    put(line)
    Notes(settings).say(f"{name}, role {given}, good for {shown(float(data.get('expires_in') or 0))}")


def _password(settings: Settings) -> str:
    if is_loopback(settings.url):
        return _SAMPLE_PASSWORD
    if sys.stdin.isatty():
        return getpass.getpass("password: ")
    raise Failed(Exit.USAGE, "token new: expected a password", "next: set NG_PASSWORD, or run it on a terminal")


def show(settings: Settings, token: str | None) -> None:
    """What a token says about itself. Nothing here checks that it is true."""
    text = _given(settings, token)
    shape = {"header": _part(text, 0), "claims": _part(text, 1)}
    if settings.format is Format.JSON:
        line = object_line(shape)
    else:
        line = "".join(f"{name:<8} {value}\n" for name, value in _readable(shape)).encode()
    put(line)
    Notes(settings).say("not verified: ng-ws token check asks the hub")


def _part(token: str, number: int) -> Mapping[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        text = f"token: expected a JWT of three parts, got one of {len(parts)} with {len(token)} letters"
        raise Failed(Exit.USAGE, text, "next: ng-ws token check asks the hub, which may know it as an API key")
    try:
        return part(parts[number])
    except ValueError as fault:
        raise Failed(Exit.LOGIN, f"token: {fault}") from fault


def with_token(settings: Settings, token: str | None) -> Settings:
    """The settings with the token that was given as an argument, if one was."""
    if token is None and settings.token is None and "NG_TOKEN" in os.environ:
        raise no_token_in("NG_TOKEN")
    return settings if token is None else replace(settings, token=_given(settings, token))


def _given(settings: Settings, token: str | None) -> str:
    if token is not None:
        text = (first_line(LONGEST_TOKEN + 2) if token == "-" else token).strip()  # noqa: S105 - means stdin
        if not text:
            raise no_token_in("TOKEN" if token != "-" else "stdin")  # noqa: S105 - means stdin
        return text
    if settings.token is None:
        raise Failed(Exit.USAGE, "token: expected one as argument, -, --token-file or NG_TOKEN, got none")
    return settings.token


def _readable(shape: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    pairs = [("alg", str(shape["header"].get("alg")))]
    for name, value in shape["claims"].items():
        pairs.append((name, f"{value}  ({_when(value)})" if name in {"exp", "iat", "nbf"} else str(value)))
    return [(escaped(name), escaped(value)) for name, value in pairs]


def _when(value: Any) -> str:
    try:
        moment = datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return "not a time"
    away = float(value) - time()
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {'in ' + shown(away) if away >= 0 else shown(-away) + ' ago'}"


def revoke(settings: Settings, token_id: str | None, user: str | None) -> None:
    """Void one token by its id, or everything a user was issued until now (role admin)."""
    if (token_id is None) == (user is None):
        hint = "next: ng-ws token show has the id as jti"
        raise Failed(Exit.USAGE, "token revoke: expected either an ID or --user", hint)
    body = {"subject": user} if token_id is None else {"token_id": token_id}
    told = call(settings, "POST", "/api/v1/auth/revoke", body)
    if settings.format is Format.JSON:
        put(object_line(told))
    else:
        put(f"revoked {escaped(str(told['scope']))} {escaped(str(told['revoked']))}\n".encode())
    Notes(settings).say("connections it concerns are closed with 4103 on every node")


async def check(settings: Settings) -> None:
    """Connect with the token; say who the hub takes it for."""
    async with connected(settings, Notes(settings)) as client:
        welcome = client.welcome
    if welcome is None:
        raise Failed(Exit.UNEXPECTED, "no welcome came")
    shape = {
        "user": welcome.user,
        "role": welcome.role,
        "expires_in": welcome.expires_in,
        "rates": {name: list(rate) for name, rate in welcome.limits.rates.items()},
        "channels": {name: list(rights) for name, rights in welcome.channels.items()},
    }
    if settings.format is Format.JSON:
        line = object_line(shape)
    else:
        life = "does not expire" if welcome.expires_in is None else f"expires in {shown(welcome.expires_in)}"
        rights = "".join(f"  {escaped(name):<16} {' '.join(rights)}\n" for name, rights in welcome.channels.items())
        line = f"{escaped(welcome.user or 'nobody')}, role {escaped(welcome.role)}, {life}\n{rights}".encode()
    put(line)
