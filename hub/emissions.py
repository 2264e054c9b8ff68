"""Signals on their way from connections to the SignalSystem: all of one turn in one call (M32-M35, M46, signals.md 5).

Without `mid` the answer is what the system said. With one it waits until the entries are stored, and a repeat gets the
first answer again instead of being processed. What the log does not take is refused as `outcome_unknown`, repeats too,
until the pump has brought it there after all.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

import orjson
import structlog

from channels._native import SignalOverloaded, SignalSystemError, SignalValueError
from channels.dedup import MidKey, digest
from channels.errors import BrokerError, OutcomeUnknown
from hub.connection import Connection
from hub.first_answers import FirstAnswers, Remembered
from hub.protocol.errors import Refusal
from hub.session.effects import Emit, Ticket
from hub.session.policy import SIGNALS

if TYPE_CHECKING:
    from channels._native import EmitResult, SignalBatch, SignalSystem
    from channels.publication import Position
    from channels.signals import SignalPump

Answer = dict[str, Any] | Refusal | BrokerError
Outcome = tuple[Connection, Ticket, Answer]
"""Whom to answer, and the `emitted` or the refusal."""

log = structlog.get_logger("hub.ws")


class Item:
    """One `emit` of the turn, and what became of it."""

    __slots__ = ("answer", "connection", "effect", "is_repeat", "results")

    def __init__(self, connection: Connection, effect: Emit) -> None:
        self.connection = connection
        self.effect = effect
        self.results: list[EmitResult] = []
        self.answer: Answer | None = None
        self.is_repeat = False

    @property
    def key(self) -> MidKey | None:
        """Where its `mid` counts: the same scope as a publish's (M31)."""
        mid = self.effect.ticket.mid
        return None if mid is None else MidKey(SIGNALS, self.effect.owner, mid)

    @property
    def digest(self) -> bytes:
        """What a repeat must have in common with it."""
        effect = self.effect
        tags = None if effect.tags is None else orjson.dumps(effect.tags)
        return digest(effect.event_type, effect.vectors.hex(), str(effect.priority), effect.key, tags, effect.payload)

    def emitted(self, texts: Sequence[bytes], **members: Any) -> dict[str, Any]:
        """The answer (M46); `texts`: the results as JSON, none where they are not kept any more."""
        message: dict[str, Any] = {"type": "emitted", "id": self.effect.ticket.id}
        if texts and self.effect.is_batch:
            message["results"] = [self.connection.session.codec.embed(text) for text in texts]
        elif texts:
            message |= orjson.loads(texts[0])
        return message | members

    def told(self, remembered: Remembered) -> dict[str, Any]:
        """The answer that its `mid` got, or gets now."""
        members = remembered.members()
        return self.emitted(remembered.texts, **members, **({"duplicate": True} if self.is_repeat else {}))


class Emissions:
    """Gathers the emits of a turn; `run` processes them and tells what became of each."""

    def __init__(
        self, system: "SignalSystem", pump: "SignalPump", *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._system = system
        self._pump = pump
        self._monotonic = monotonic
        self._pending: list[Item] = []
        self._is_undelivered = False
        """Whether signals were processed whose entries the log may lack yet."""
        self._first_answers = FirstAnswers()
        self._owed: WeakValueDictionary[int, Remembered] = WeakValueDictionary()
        """By token: answers whose entry no log has yet. One that is forgotten needs no position any more."""
        pump.on_placed = self._placed
        pump.on_refused = self._refused
        self.on_settled: Callable[[Sequence[Outcome]], None] = lambda _: None
        """Told what became of emits that waited for a log which stores later."""

    def add(self, connection: Connection, effect: Emit) -> None:
        """One more for this turn. It is checked, and it is processed even if its connection goes in between."""
        self._pending.append(Item(connection, effect))

    def run(self) -> Sequence[Outcome]:
        """Process everything gathered. Where no id was given only refusals are told (M5)."""
        if not self._pending:
            return ()
        items, self._pending = self._pending, []
        if any(item.effect.ticket.mid is not None for item in items):
            self._run_once_each(items)
        else:
            self._process(items)
        return _told(items)

    def settle(self) -> Sequence[Outcome]:
        """As `run`, now; afterwards every signal so far is with the log or on its way there, as far as it takes any.

        For what must not overtake them (C14). Costs nothing where no signal is on its way.
        """
        outcomes = self.run()
        if self._is_undelivered:
            self._is_undelivered = False
            self._pump.deliver_waiting()
        return outcomes

    def statistics(self) -> dict[str, int]:
        """What is remembered for repeats; `owed`: emits whose entry no log has yet."""
        return self._first_answers.statistics() | {"owed": len(self._owed)}

    # --- without mid --------------------------------------------------------------------------------------------------

    def _process(self, items: Sequence[Item]) -> None:
        """One call for all of them; each is refused or processed whole (M33)."""
        self._is_undelivered = True
        try:
            outcomes = self._system.emit_many([_native_item(item.effect) for item in items])
        except SignalSystemError as error:
            log.error("signals.failed", exc_info=error)
            for item in items:
                item.answer = Refusal("internal", "the SignalSystem does not work")
            return
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, list):
                item.results = outcome
                if item.effect.ticket.id is not None and item.effect.ticket.mid is None:
                    texts = [result.to_json() for result in item.results]
                    item.answer = item.emitted(texts, processing_time_us=_time_of(item))
            else:
                item.answer = refusal_of(outcome)

    # --- with mid -----------------------------------------------------------------------------------------------------

    def _run_once_each(self, items: Sequence[Item]) -> None:
        """As `_process`, but a `mid` is processed once, and answered when its entries are stored (M35)."""
        now = self._monotonic()
        fresh: list[Item] = []
        repeats: list[Item] = []
        begun: set[MidKey] = set()
        for item in items:
            key = item.key
            if key is not None and key in begun:
                repeats.append(item)
            elif key is None or not self._is_answered(item, key, now):
                fresh.append(item)
                if key is not None:
                    begun.add(key)
        self._process(fresh)
        self._store([item for item in fresh if item.key is not None and item.answer is None], now)
        for item in repeats:
            if not self._is_answered(item, item.key, now):
                item.answer = Refusal("overloaded", "the first emit with this mid was refused; send it again")

    def _is_answered(self, item: Item, key: MidKey | None, now: float) -> bool:
        """Whether `item` is a repeat, or one that cannot be taken; it has its answer then."""
        if key is None:
            return False
        try:
            known = self._first_answers.find(key, item.digest, now)
        except BrokerError as error:
            item.answer = error
            return True
        if known is None:
            return False
        item.is_repeat = True
        self._answer_or_wait(item, known)
        return True

    def _answer_or_wait(self, item: Item, known: Remembered) -> None:
        is_open = known.is_owed and not known.is_lost
        if is_open and self._pump.is_on_its_way(cast("int", known.token)):
            known.waiting.append(item)
        else:
            item.answer = _answer(item, known)

    def _store(self, items: Sequence[Item], now: float) -> None:
        """Bring everything that waits to the log, and answer `items` with the positions they got there.

        Those whose entries the log stores later are answered when it has.
        """
        remembered = [self._remember(item, now) for item in items]
        if self._owed:
            self._pump.deliver_waiting()  # `_placed` hears where
        for item, one in zip(items, remembered, strict=True):
            self._answer_or_wait(item, one)

    def _remember(self, item: Item, now: float) -> Remembered:
        texts = [result.to_json() for result in item.results]
        remembered = Remembered(None, _time_of(item), texts, _last_token(item))
        if item.key is not None:
            self._first_answers.remember(item.key, item.digest, remembered, now)
        if remembered.token is not None:
            self._owed[remembered.token] = remembered
        return remembered

    def _placed(self, batch: "SignalBatch", last: "Position") -> None:
        """The log has stored `batch`: what is owed of it has its position, and who waits is answered."""
        told: list[Item] = []
        for remembered, index in self._owed_of(batch):
            del self._owed[cast("int", remembered.token)]
            remembered.position = f"{last.epoch}:{last.offset - len(batch) + 1 + index}"
            told += _answered(remembered)
        self._tell(told)

    def _refused(self, batch: "SignalBatch", error: BrokerError) -> None:
        """The log has not, or will not say: who waits is answered, and what is owed stays owed."""
        told: list[Item] = []
        for remembered, _ in self._owed_of(batch):
            if isinstance(error, OutcomeUnknown):
                remembered.is_lost = True
                del self._owed[cast("int", remembered.token)]
            told += _answered(remembered)
        self._tell(told)

    def _owed_of(self, batch: "SignalBatch") -> list[tuple[Remembered, int]]:
        """What is owed of `batch`, each with the index of its entry."""
        found = [(remembered, batch.index_of(token)) for token, remembered in list(self._owed.items())]
        return [(remembered, index) for remembered, index in found if index is not None]

    def _tell(self, items: Sequence[Item]) -> None:
        if items:
            self.on_settled(_told(items))


def _told(items: Iterable[Item]) -> list[Outcome]:
    """Who is answered, and what."""
    return [
        (item.connection, item.effect.ticket, item.answer)
        for item in items
        if item.answer is not None and (item.effect.ticket.id is not None or not isinstance(item.answer, dict))
    ]


def _answer(item: Item, known: Remembered) -> Answer:
    return _not_taken() if known.is_owed else item.told(known)


def _answered(remembered: Remembered) -> list[Item]:
    """Who has waited for it, each with its answer."""
    items, remembered.waiting = remembered.waiting, []
    for item in items:
        item.answer = _answer(item, remembered)
    return items


def _not_taken() -> Refusal:
    """The pump keeps the entries and tries again; they are processed, so a repeat must not be."""
    return Refusal("outcome_unknown", f"processed, but the log of {SIGNALS} has not taken it yet")


def _native_item(effect: Emit) -> Any:
    """As `SignalSystem.emit_many` takes it."""
    return (
        effect.event_type,
        effect.vectors,
        effect.priority,
        effect.key,
        effect.tags,
        effect.payload,
        effect.traceparent,
        effect.tracestate,
    )


def refusal_of(error: "SignalValueError | SignalOverloaded") -> Refusal:
    """The SignalSystem's refusal in the words of the protocol."""
    if isinstance(error, SignalOverloaded):
        return Refusal("overloaded", str(error))
    return Refusal(error.slug, str(error), path=error.path)


def _time_of(item: Item) -> float:
    """Microseconds for the whole message (M46); each result tells that of its item."""
    return round(item.results[0].processing_time_us, 3) if item.results else 0.0


def _last_token(item: Item) -> int | None:
    """The last token of `item` that becomes an entry; None where none does (a hub may publish novel ones only)."""
    return next((result.token_id for result in reversed(item.results) if result.published), None)
