"""Roles, rights, and THE table of who may do what on the six channels (C18, C19)."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Self


class Role(StrEnum):
    """What a credential makes its bearer."""

    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    BOT = "bot"
    ANONYMOUS = "anonymous"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The role of that name or alias; raises `ValueError`."""
        try:
            return cls(ROLE_ALIASES.get(text, text))
        except ValueError:
            raise ValueError(f"expected one of {', '.join(cls)}, came {text!r}") from None


ROLE_ALIASES: Mapping[str, str] = MappingProxyType({"user": "developer", "readonly": "viewer"})
"""Names of roles that issuers use, and the role each means."""


class Right(StrEnum):
    """What may be done on a channel: receive it, publish arbitrary events to it, send a signal that appears on it."""

    SUBSCRIBE = "subscribe"
    BROADCAST = "broadcast"
    EMIT = "emit"


Rights = frozenset[Right]
RightsByRole = Mapping[Role, Rights]

NO_RIGHTS: Rights = frozenset()

# The table of C19 as it is printed there: S subscribe, B broadcast, E emit, - none.
_TABLE = """
    channel      admin  developer  viewer  bot  anonymous
    metrics      SB     S          S       S    S
    signals      SBE    SE         -       SE   -
    actions      SB     S          -       -    -
    logs         SB     S          -       -    -
    status       SB     S          S       S    S
    connections  SB     -          -       -    -
"""
_LETTERS = {"S": Right.SUBSCRIBE, "B": Right.BROADCAST, "E": Right.EMIT}


def _read(table: str) -> Mapping[str, RightsByRole]:
    header, *rows = (line.split() for line in table.strip().splitlines())
    roles = [Role(name) for name in header[1:]]
    return MappingProxyType({row[0]: _read_row(roles, row[1:]) for row in rows})


def _read_row(roles: list[Role], cells: list[str]) -> RightsByRole:
    rights = (frozenset(_LETTERS[letter] for letter in cell.strip("-")) for cell in cells)
    return MappingProxyType(dict(zip(roles, rights, strict=True)))


DEFAULT_RIGHTS: Mapping[str, RightsByRole] = _read(_TABLE)
