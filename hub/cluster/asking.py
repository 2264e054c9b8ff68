"""What was decided while a node was not there, or was cut off for longer than the bus keeps: it asks the others.

Of those that could answer one does, with everything that is in force: the first by name, at the next attempt the next.
A node that has not been answered itself says what it has, and that this may not be all; if nobody knows better, that is
all there is. Until then a node is not ready: it would let in whom the others do not.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from channels.backplane.bus import Bus
from hub.cluster.errands import Errands, until_done
from hub.cluster.reading import Body, checked, text, whole

if TYPE_CHECKING:
    from hub.counters import Counters

ASKED, IN_FORCE, ANSWERED = "asked", "in_force", "answered"
ASKING = (0, 2, 5, 11, 30)
"""Seconds after which it asks, until somebody has answered; after the last it goes on without."""
ALONE = 2
"""Seconds after which who was not heard of is not there."""

log = structlog.get_logger("hub.cluster")


class Asking:
    """Asks, and answers. `in_force`: bodies with all that holds here; `take` puts such a body in force."""

    def __init__(
        self,
        bus: Bus,
        counters: "Counters",
        *,
        in_force: Callable[[], Iterable[Mapping[str, Any]]],
        take: Callable[[Body], None],
        hears: Callable[[], bool],
    ) -> None:
        """`hears`: whether an answer could reach this node now."""
        self._bus = bus
        self._counters = counters
        self._in_force = in_force
        self._take = take
        self._hears = hears
        self._errands = Errands(counters)
        self._is_settled = True
        self._seconds = 0
        self._attempt = 0
        self._pages: dict[str, int] = {}
        """How many came of each node since it asked last."""
        self._unsure: set[str] = set()
        """Who has answered without knowing whether that was all."""
        bus.listen(ASKED, checked(self._hear_question, counters))
        bus.listen(IN_FORCE, checked(self._hear_page, counters))
        bus.listen(ANSWERED, checked(self._hear_answer, counters))
        bus.on_missed(self.start)

    @property
    def failure(self) -> str | None:
        """Why this node should not be relied on; None: it may."""
        return None if self._is_settled else "what was decided while this node was away is being asked for"

    def start(self) -> None:
        """Ask."""
        is_asking, self._is_settled = not self._is_settled, False
        self._seconds = self._attempt = 0
        self._unsure.clear()
        if is_asking:
            self._ask()
        else:
            self._errands.run(self._look())

    def stop(self) -> None:
        """Ask nobody any more."""
        self._errands.stop()

    def sweep(self) -> None:
        """Once a second."""
        if self._is_settled or not self._hears():
            return
        self._seconds += 1
        if self._seconds >= ALONE and not self._bus.nodes():
            self._is_settled = True
        elif self._seconds in ASKING:
            self._ask()
        if self._seconds >= ASKING[-1] and not self._is_settled:
            log.warning("decisions.unanswered", nodes=sorted(self._bus.nodes()))
            self._counters.error("bus", "unanswered")
            self._is_settled = True

    async def _look(self) -> None:
        """Ask when the store is there; where nobody else is, nobody need be waited for."""
        others = await until_done(self._bus.others, partial(self._counters.error, "bus", "others"))
        self._ask()
        if not others:
            self._is_settled = True

    def _ask(self) -> None:
        self._pages.clear()
        self._bus.tell(ASKED, {"attempt": self._attempt})
        self._attempt += 1

    def _hear_question(self, node: str, body: Body) -> None:
        others = sorted({self._bus.node, *self._bus.nodes()} - {node})
        is_chosen = others[whole(body, "attempt") % len(others)] == self._bus.node
        if not is_chosen and self._is_settled:
            return
        pages = 0
        for page in self._in_force():
            self._bus.tell(IN_FORCE, page)
            pages += 1
        self._bus.tell(ANSWERED, {"to": node, "pages": pages, "sure": int(self._is_settled)})

    def _hear_page(self, node: str, body: Body) -> None:
        self._pages[node] = self._pages.get(node, 0) + 1
        self._take(body)

    def _hear_answer(self, node: str, body: Body) -> None:
        pages, is_sure = whole(body, "pages"), bool(whole(body, "sure"))
        if text(body, "to") != self._bus.node or self._is_settled or self._pages.get(node, 0) < pages:
            return
        is_news = node not in self._unsure
        self._unsure.add(node)
        if is_sure or self._unsure >= self._bus.nodes().keys():
            self._is_settled = True
        elif is_news:
            self._ask()
