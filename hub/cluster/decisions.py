"""What has been decided about tokens, subjects and sessions holds on every node (N15): revocations, sessions that are
to be forgotten (R15), roles given to sessions (R7).

Each is told once and kept for nodes that are cut off. What is in force longer than that is asked for (`asking`): by a
node that begins, and by one that was cut off for longer than the bus keeps what is told.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from channels.backplane.bus import Bus
from hub.auth import Identity
from hub.auth.revocation import NEVER, Revocation, Revocations, RevocationsFullError, Scope
from hub.cluster.asking import Asking
from hub.cluster.reading import Body, UnreadableError, checked, maybe_text, number, role, rows, text
from hub.resumption import Resumption

if TYPE_CHECKING:
    from hub.counters import Counters

REVOKED, FORGOTTEN, ROLE = "revoked", "forgotten", "session_role"
PAGE = 500
"""Decisions in one message."""
_SCOPES: tuple[Scope, ...] = ("token", "session", "subject")


class Decisions:
    """Tells the other nodes what is decided here, and puts in force what they tell."""

    def __init__(
        self,
        bus: Bus,
        revocations: Revocations,
        resumption: Resumption,
        counters: "Counters",
        *,
        wall: Callable[[], float],
        hears: Callable[[], bool],
    ) -> None:
        """`hears`: as of `Asking`."""
        self._bus = bus
        self._revocations = revocations
        self._resumption = resumption
        self._counters = counters
        self._wall = wall
        self._is_hearing = False
        self.asking = Asking(bus, counters, in_force=self._in_force, take=self._take, hears=hears)
        revocations.listen(self._revoked)
        resumption.on_forgotten = self._forgotten
        resumption.on_role = self._role_given
        bus.listen(REVOKED, checked(self._hear_revoked, counters))
        bus.listen(FORGOTTEN, checked(self._hear_forgotten, counters))
        bus.listen(ROLE, checked(self._hear_role, counters))

    # --- decided here -------------------------------------------------------------------------------------------------

    def _revoked(self, revocation: Revocation) -> None:
        if not self._is_hearing:
            self._bus.tell(REVOKED, {"revocations": [_row(revocation)]}, keep=True)

    def _forgotten(self, session: str) -> None:
        if not self._is_hearing:
            self._bus.tell(FORGOTTEN, {"session": session}, keep=True)

    def _role_given(self, session: str, decided: Identity) -> None:
        if not self._is_hearing:
            self._bus.tell(ROLE, _given(session, decided), keep=True)

    def _in_force(self) -> Iterator[Mapping[str, Any]]:
        """Everything that holds now, some at a time."""
        wall = self._wall()
        revoked = [_row(one) for one in self._revocations.in_force()]
        forgotten = [[session, until] for session, until in self._resumption.forgotten(wall)]
        roles = [_given(session, decided) for session, decided in self._resumption.decided(wall)]
        for start in range(0, max(len(revoked), len(forgotten), len(roles)), PAGE):
            page = slice(start, start + PAGE)
            yield {"revocations": revoked[page], "forgotten": forgotten[page], "roles": roles[page]}

    # --- decided elsewhere --------------------------------------------------------------------------------------------

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        """What was heard is not told again."""
        self._is_hearing = True
        try:
            yield
        finally:
            self._is_hearing = False

    def _take(self, body: Body) -> None:
        """One piece of what is in force elsewhere."""
        forgotten = [_forgotten(row) for row in rows(body, "forgotten")]
        roles = [row for row in rows(body, "roles") if isinstance(row, dict)]
        self._hear_revoked("", body)
        with self._hearing():
            for session, until in forgotten:
                self._resumption.forget(session, self._wall(), until)
        for row in roles:
            self._hear_role("", row)

    def _hear_revoked(self, _node: str, body: Body) -> None:
        revocations = [_revocation(row) for row in rows(body, "revocations")]
        with self._hearing():
            for revocation in revocations:
                if revocation.until > self._wall():
                    self._put_in_force(revocation)

    def _put_in_force(self, revocation: Revocation) -> None:
        try:
            self._revocations.revoke(revocation)
        except RevocationsFullError:
            self._counters.error("auth", "revocations")

    def _hear_forgotten(self, _node: str, body: Body) -> None:
        session = text(body, "session")
        with self._hearing():
            self._resumption.forget(session, self._wall())

    def _hear_role(self, _node: str, body: Body) -> None:
        session, given = text(body, "session"), role(body, "role")
        decided = Identity(
            maybe_text(body, "subject"),
            given,
            token_id=maybe_text(body, "credential"),
            decided_at=number(body.get("decided_at")),
        )
        with self._hearing():
            self._resumption.role_changed(session, decided, self._wall())


def _given(session: str, decided: Identity) -> dict[str, Any]:
    who = {"role": decided.role.value, "subject": decided.subject, "credential": decided.token_id}
    return {"session": session, **who, "decided_at": decided.decided_at}


def _forgotten(row: object) -> tuple[str, float]:
    if not isinstance(row, list) or len(row) != 2:
        raise UnreadableError("expected session, until")
    return text({"session": row[0]}, "session"), number(row[1])


def _row(revocation: Revocation) -> list[Any]:
    """JSON has no infinity."""
    until = None if revocation.until == NEVER else revocation.until
    return [revocation.scope, revocation.name, revocation.not_before, until]


def _revocation(row: object) -> Revocation:
    if not isinstance(row, list) or len(row) != 4 or row[0] not in _SCOPES:
        raise UnreadableError("expected scope, name, not_before, until")
    scope, _, not_before, until = row
    name = text({"name": row[1]}, "name")
    return Revocation(scope, name, number(not_before), NEVER if until is None else number(until))
