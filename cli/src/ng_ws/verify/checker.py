"""The delivery checker: takes the lines of a history as they are written, in linear time, and says what they prove."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from neurograph_ws_client.positions import Position

from .figures import Figures, Healing, Samples
from .history import HistoryError, Line, place_of
from .ledger import Ledger
from .needs import FLOOR, Needs, Told
from .rules import Findings
from .schedule import LOSSES, RESTARTS
from .stream import Stream
from .told import Tidings

# The share of publishes whose outcome may be unknown in a run without faults: those that its end cut short.
UNKNOWN_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a history proves. A run that is incomplete has not passed, whatever was found."""

    findings: Findings
    incomplete: tuple[str, ...]
    figures: Figures
    # What the wire checker looked at, by name.
    wire: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_passed(self) -> bool:
        """Everything was confirmed, and no rule is broken."""
        return not self.findings.total and not self.incomplete


class Checker:
    """Judges by V1 to V14. `takes_strangers`: entries of others on the same channels are no phantoms."""

    def __init__(self, findings: Findings | None = None, *, takes_strangers: bool = False) -> None:
        self.findings = Findings() if findings is None else findings
        self.figures = Figures()
        self._takes_strangers = takes_strangers
        self._ledger = Ledger(self.findings)
        self._needs = Needs()
        self._tidings = Tidings(self.findings, self.figures)
        self._streams: dict[tuple[str, str], Stream] = {}
        self._healing: defaultdict[tuple[str, str], list[Healing]] = defaultdict(list)
        # Faults that healed since an entry of the channel was last acknowledged: kind and time.
        self._healed_faults: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        # Whether the next line of a stream tells how its recovery went.
        self._undecided: set[tuple[str, str]] = set()
        self._unhealed: dict[object, str] = {}
        self._number = 0
        self._time = 0

    def take(self, line: Line) -> None:
        """The next line; lines of the wire are counted and passed over."""
        self._number += 1
        if line["t"] < self._time:
            raise HistoryError(f"line {self._number}: expected a time from {self._time} on, got {line['t']}")
        self._time = line["t"]
        if (kind := line.get("e")) is None:
            return
        try:
            take = _TAKERS[kind]
        except KeyError:
            raise HistoryError(f"line {self._number}: expected one of {', '.join(_TAKERS)}, got {kind!r}") from None
        self.figures.counts[kind] += 1
        take(self, line)

    def finish(self) -> Outcome:
        """Judge what only the whole shows."""
        self._ledger.finish()
        lost = sum(stream.lost(self._ledger.acked) for stream in self._streams.values())
        for name in sorted(self._undecided):
            self._decide(name, "granted")
        self._judge_rate()
        self.figures.counts["lost"] = lost
        self.figures.counts["repeats"] = sum(stream.repeats for stream in self._streams.values())
        self.figures.counts["stored_again"] = self._ledger.stored_again
        publications = self._ledger.publications.values()
        self.figures.counts["unknown"] = sum(not one.acked_at and not one.refused for one in publications)
        return Outcome(self.findings, tuple(self._incomplete()), self.figures)

    def cursor(self, subscriber: str, channel: str) -> Position | None:
        """Where a subscriber stands, by the history."""
        stream = self._streams.get((subscriber, channel))
        return None if stream is None else stream.cursor

    def _incomplete(self) -> Iterable[str]:
        if not self.figures.counts["ack"]:
            yield "no publish was acknowledged, so nothing is proved"
        if not self._streams:
            yield "nobody subscribed"
        unknown, sent = self.figures.counts["unknown"], self.figures.counts["pub"]
        if not self.figures.faults and unknown > UNKNOWN_SHARE * sent:
            yield f"the outcome of {unknown} of {sent} publishes is unknown, and there was no fault"
        for kind in self._unhealed.values():
            yield f"a fault ({kind}) was begun and never healed"
        for stream in self._streams.values():
            if not stream.fin:
                yield f"{stream.subscriber} never confirmed the head of {stream.channel}; it stands at {stream.cursor}"

    # -- lines -------------------------------------------------------------------------------------------------------

    def _run(self, line: Line) -> None:
        """How the run was asked for, and what is known of its hub."""
        self._needs.run(line)
        if self._needs.promise is not None and self._needs.promise.is_durable:
            self.figures.recovery_floor = FLOOR

    def _pub(self, line: Line) -> None:
        self._needs.sent(str(line["ch"]))
        self._ledger.begun(line, self._number)

    def _ack(self, line: Line) -> None:
        self._ledger.acknowledged(line, self._number)
        publication = self._ledger.publications.get(str(line["id"]))
        if publication is None:
            return
        self._tidings.stored(publication.channel, place_of(line), self._time, self._number)
        if self._healed_faults[publication.channel]:
            self._stored_after_faults(publication.channel, place_of(line))

    def _nak(self, line: Line) -> None:
        self._ledger.refused(line, self._number)

    def _sub(self, line: Line) -> None:
        name, stream = self._stream(line)
        start, asked, granted = place_of(line), line.get("req"), line.get("rec")
        self._needs.began(name, start, self._number, lost=bool(line.get("lost")))
        self._tidings.began(name, self._time)
        if name in self._undecided:
            self._decide(name, "granted")
        if asked is None or granted is False:
            if asked is not None:
                self.figures.recoveries["refused"] += 1
            stream.started(start, self._number, lost=bool(line.get("lost")))
        else:
            self._undecided.add(name)
            stream.recovered(_position(asked, self._number), start, self._number)
        self._reached(name, stream)

    def _msg(self, line: Line) -> None:
        name, stream = self._stream(line)
        if name in self._undecided:
            self._decide(name, "granted")
        place, entry = place_of(line), line.get("id")
        if entry is not None:
            self._ledger.handled(stream.channel, str(entry), place, line, self._number)
            publication = self._ledger.publications.get(str(entry))
            if publication is not None:
                self.figures.latency.add(self._time - publication.begun_at)
        elif self._takes_strangers:
            self.figures.counts["strangers"] += 1
        else:
            self.findings.add("V1", f"nobody published {stream.channel} {place}", self._number)
        stream.handled(place, self._number)
        self._reached(name, stream)

    def _gap(self, line: Line) -> None:
        name, stream = self._stream(line)
        start, end = (_position(line[member], self._number) for member in ("from", "to"))
        reason = str(line.get("reason", ""))
        objection = self._needs.objection(Told(name, start, reason, self._time))
        if objection is not None:
            text = f"{name[0]} on {name[1]} was told a gap ({reason}) from {start} to {end}: {objection}"
            self.findings.add("V12", text, self._number)
        if name in self._undecided:
            self._decide(name, "with a gap")
            self.figures.excused += objection is None
        self._tidings.missed(name, start, end, self._time, self._number)
        self.figures.gaps[reason] += 1
        self.figures.gap_entries += int(line.get("missed") or 0)
        stream.missed(start, end, reason, self._number)
        self._reached(name, stream)

    def _end(self, line: Line) -> None:
        name, stream = self._stream(line)
        self._needs.ended(name, stream.cursor, self._number)
        self._tidings.ended(name)

    def _fin(self, line: Line) -> None:
        _, stream = self._stream(line)
        head = place_of(line)
        self._ledger.confirmed(stream.channel, head, self._number)
        stream.confirmed(head, self._number)

    def _head(self, line: Line) -> None:
        """What one hub says when everything is over: all have to say the same, or less is known than was promised."""
        self._ledger.confirmed(str(line["ch"]), place_of(line), self._number)

    def _fault(self, line: Line) -> None:
        self._tidings.fault(line)
        match line.get("do"):
            case "begun":
                self.figures.faults[str(line["kind"])] += 1
                if line["kind"] in RESTARTS:
                    self._needs.restarted()
                if line["kind"] in LOSSES:
                    self._needs.touched()
                self._unhealed[line["no"]] = str(line["kind"])
            case "healed":
                self._unhealed.pop(line["no"], None)
                self._healed(str(line["kind"]))
            case _:
                return
        for stream in self._streams.values():
            # What was confirmed while faults go on is not confirmed.
            stream.fin = 0

    # -- inside ------------------------------------------------------------------------------------------------------

    def _stream(self, line: Line) -> tuple[tuple[str, str], Stream]:
        name = (str(line["s"]), str(line["ch"]))
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(*name, self.findings)
        return name, stream

    def _decide(self, name: tuple[str, str], how: str) -> None:
        self._undecided.discard(name)
        self.figures.recoveries[how] += 1

    def _judge_rate(self) -> None:
        figures = self.figures
        if figures.is_below_floor:
            due = figures.recoveries.total() - figures.excused
            told = f"{figures.recoveries['granted']} of {due} recoveries were granted, expected {FLOOR:.0%}"
            self.findings.add("V13", told)

    def _healed(self, kind: str) -> None:
        """From now on the time runs until everybody has the first entry that is stored after it."""
        self.figures.healing.setdefault(kind, Samples())
        for channel in {stream.channel for stream in self._streams.values()}:
            self._healed_faults[channel].append((kind, self._time))

    def _stored_after_faults(self, channel: str, head: Position) -> None:
        for kind, healed_at in self._healed_faults.pop(channel):
            for name, stream in self._streams.items():
                if stream.channel == channel and stream.cursor is not None:
                    self._healing[name].append(Healing(kind, healed_at, stream.cursor.epoch, head))
        for name, stream in self._streams.items():
            self._reached(name, stream)

    def _reached(self, name: tuple[str, str], stream: Stream) -> None:
        waiting = self._healing.get(name)
        if not waiting or stream.cursor is None:
            return
        for one in waiting:
            if one.is_reached(stream.cursor):
                self.figures.healing[one.kind].add(self._time - one.healed_at)
        self._healing[name] = [one for one in waiting if not one.is_reached(stream.cursor)]


def _position(text: object, number: int) -> Position:
    try:
        return Position.parse(text)
    except ValueError as fault:
        raise HistoryError(f"line {number}: {fault}") from fault


_TAKERS = {
    "run": Checker._run,
    "pub": Checker._pub,
    "ack": Checker._ack,
    "nak": Checker._nak,
    "sub": Checker._sub,
    "msg": Checker._msg,
    "gap": Checker._gap,
    "end": Checker._end,
    "fin": Checker._fin,
    "head": Checker._head,
    "fault": Checker._fault,
}


def check(lines: Iterable[Line], *, takes_strangers: bool = False) -> Outcome:
    """Judge a whole history."""
    checker = Checker(takes_strangers=takes_strangers)
    for line in lines:
        checker.take(line)
    return checker.finish()
