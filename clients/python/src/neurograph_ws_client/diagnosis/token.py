"""The token, before it is sent: what it says about its own life."""

import math
from typing import Any

from ..claims import claims_of
from ..durations import shown
from .finding import Cause, Finding, Stop, fail, ok, warn

_NEW = "next: export NG_TOKEN=$(ng-ws token new --role developer), or ask your identity provider"

# A hub allows as much between its clock and that of the issuer (C9).
LEEWAY = 30.0

_SOON = 300.0


def look(token: str | None, now: float) -> Finding:
    """`now`: the clock of this machine, in seconds since 1970; how far that is wrong is seen later."""
    if token is None:
        return ok("token", "none: you are anonymous")
    claims = claims_of(token)
    if claims is None:
        return ok("token", "an API key, or an opaque token: the hub alone can read it")
    expires = seconds(claims.get("exp"))
    begins = seconds(claims.get("nbf"))
    who = f"{claims.get('sub')}, role {claims.get('role')}"
    if "exp" not in claims or "sub" not in claims or "role" not in claims:
        lacks = ", ".join(name for name in ("exp", "sub", "role") if name not in claims)
        return warn("token", f"it lacks {lacks}, which a hub asks for (C9)", _NEW)
    if expires is not None and now > expires + LEEWAY:
        raise Stop(fail("token", f"{who}: expired {shown(now - expires)} ago", _NEW, Cause.LOGIN))
    if begins is not None and now < begins - LEEWAY:
        text = f"{who}: not valid for another {shown(begins - now)}"
        raise Stop(fail("token", text, "next: look at the clock of this machine, and of the issuer", Cause.LOGIN))
    if expires is not None and expires - now < _SOON:
        return warn("token", f"{who}: good for {shown(max(0.0, expires - now))} only", _NEW)
    return ok("token", f"{who}: good for {shown(expires - now) if expires else 'an unknown time'}")


def seconds(value: Any) -> float | None:
    """A number of seconds, whatever came in its place."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
