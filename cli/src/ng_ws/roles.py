"""The roles that a hub gives."""

from .exits import misused

ROLES = ("admin", "developer", "viewer", "bot")
"""Those that a credential can have; who has none is `anonymous`."""


def check_role(role: str | None, *, has_anonymous: bool = False) -> None:
    """A role of `--role`, if one was given."""
    known = (*ROLES, "anonymous") if has_anonymous else ROLES
    if role is not None and role not in known:
        raise misused("--role", f"{', '.join(known[:-1])} or {known[-1]}", role)
