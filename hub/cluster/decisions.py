"""What has been decided about tokens, subjects and sessions holds on every node (N15): revocations, sessions that are
to be forgotten (R15), roles given to sessions (R7).

Each is told once and kept for nodes that are cut off. A node that begins asks for the revocations in force, because
they outlive what the bus keeps; of the nodes that could answer, the first by name does. It asks again until it has
heard an answer, because the store may be away when it begins, and the first by name may be gone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from channels.backplane.bus import Bus
from hub.auth import Identity
from hub.auth.revocation import NEVER, Revocation, Revocations, RevocationsFullError, Scope
from hub.cluster.reading import Body, UnreadableError, checked, maybe_text, number, role, rows, text
from hub.resumption import Resumption

if TYPE_CHECKING:
    from hub.counters import Counters

REVOKED, ASKED, ANSWERED, FORGOTTEN, ROLE = "revoked", "revocations", "answered", "forgotten", "session_role"
ASKING = (0, 2, 5, 11, 30)
"""Seconds after the start at which it asks, until somebody has answered."""
PAGE = 500
"""Revocations in one message."""
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
    ) -> None:
        self._bus = bus
        self._revocations = revocations
        self._resumption = resumption
        self._counters = counters
        self._wall = wall
        self._is_hearing = False
        self._seconds: int | None = None
        """Since the start; None: not begun, or answered."""
        revocations.listen(self._revoked)
        resumption.on_forgotten = self._forgotten
        resumption.on_role = self._role_given
        bus.listen(REVOKED, checked(self._hear_revoked, counters))
        bus.listen(ASKED, checked(self._hear_question, counters))
        bus.listen(ANSWERED, checked(self._hear_answered, counters))
        bus.listen(FORGOTTEN, checked(self._hear_forgotten, counters))
        bus.listen(ROLE, checked(self._hear_role, counters))

    def start(self) -> None:
        """Ask for what was revoked before this node began."""
        self._seconds = -1
        self.sweep()

    def sweep(self) -> None:
        """Once a second."""
        if self._seconds is None:
            return
        self._seconds += 1
        if self._seconds in ASKING:
            self._bus.tell(ASKED, {})
        if self._seconds >= ASKING[-1]:
            self._seconds = None

    # --- decided here -------------------------------------------------------------------------------------------------

    def _revoked(self, revocation: Revocation) -> None:
        if not self._is_hearing:
            self._tell([revocation], keep=True)

    def _forgotten(self, session: str) -> None:
        if not self._is_hearing:
            self._bus.tell(FORGOTTEN, {"session": session}, keep=True)

    def _role_given(self, session: str, decided: Identity) -> None:
        if not self._is_hearing:
            who = {"role": decided.role.value, "subject": decided.subject, "credential": decided.token_id}
            self._bus.tell(ROLE, {"session": session, **who, "decided_at": decided.decided_at}, keep=True)

    def _tell(self, revocations: Iterable[Revocation], *, keep: bool) -> None:
        self._bus.tell(REVOKED, {"revocations": [_row(one) for one in revocations]}, keep=keep)

    # --- decided elsewhere --------------------------------------------------------------------------------------------

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        """What was heard is not told again."""
        self._is_hearing = True
        try:
            yield
        finally:
            self._is_hearing = False

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

    def _hear_question(self, node: str, _body: Body) -> None:
        others = {self._bus.node, *self._bus.nodes()} - {node}
        if self._bus.node != min(others):
            return
        known = self._revocations.in_force()
        for start in range(0, len(known), PAGE):
            self._tell(known[start : start + PAGE], keep=False)
        self._bus.tell(ANSWERED, {"to": node})

    def _hear_answered(self, _node: str, body: Body) -> None:
        if text(body, "to") == self._bus.node:
            self._seconds = None

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
