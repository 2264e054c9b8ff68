"""What was published, what became of it, and where entries stand: V1, V2, V8, V10, V11."""

from collections import defaultdict
from typing import NamedTuple

from neurograph_ws_client.positions import Position

from .history import HistoryError, Line, place_of
from .rules import Findings


class Publication:
    """One entry that a publisher sent, and what it knows of it."""

    __slots__ = ("acked_at", "begun_at", "channel", "floor", "id", "line", "publisher", "refused", "seen", "seq", "sum")

    def __init__(self, line: Line, number: int, floor: "Entry | None") -> None:
        self.id = str(line["id"])
        self.channel = str(line["ch"])
        self.publisher = str(line["pub"])
        self.seq = int(line["seq"])
        self.sum = line.get("sum")
        self.begun_at = int(line["t"])
        self.line = number
        # The newest entry that was acknowledged before this one was begun: it cannot stand above it (V10).
        self.floor = floor
        self.acked_at = 0
        self.refused = 0
        self.seen = 0


class Entry(NamedTuple):
    """Who stands at a place, and the line that says so first."""

    place: Position
    id: str
    line: int


class Ledger:
    """Every publication by id, every entry by channel, epoch and offset."""

    def __init__(self, findings: Findings) -> None:
        self.publications: dict[str, Publication] = {}
        self.acked: defaultdict[tuple[str, str], dict[int, Entry]] = defaultdict(dict)
        self.stored_again = 0
        self._findings = findings
        self._by_place: defaultdict[tuple[str, str], dict[int, Entry]] = defaultdict(dict)
        self._by_id: dict[str, Entry] = {}
        self._newest: dict[str, Entry] = {}
        self._tops: dict[tuple[str, str], Entry] = {}
        self._early: dict[str, int] = {}

    # -- publishers --------------------------------------------------------------------------------------------------

    def begun(self, line: Line, number: int) -> None:
        """A publisher is about to send."""
        channel, name = str(line["ch"]), str(line["id"])
        if name in self.publications:
            raise HistoryError(f"line {number}: id {name} was published in line {self.publications[name].line} already")
        self.publications[name] = Publication(line, number, self.head(channel))
        if (early := self._early.pop(name, 0)) != 0:
            self._findings.add("V10", f"{name} was there before it was sent", early, number)
        if (known := self._by_id.get(name)) is not None:
            self.publications[name].seen = known.line

    def acknowledged(self, line: Line, number: int) -> None:
        """The hub said where it is."""
        name, place = str(line["id"]), place_of(line)
        publication = self.publications.get(name)
        if publication is None:
            self._early.setdefault(name, number)
            return
        publication.acked_at = number
        entry = Entry(place, name, number)
        self._stands(publication.channel, entry)
        self.acked[publication.channel, place.epoch].setdefault(place.offset, entry)
        top = self._tops.get((publication.channel, place.epoch))
        if top is None or place.offset > top.place.offset:
            self._tops[publication.channel, place.epoch] = entry
        self._newest[publication.channel] = self._tops[publication.channel, place.epoch]

    def refused(self, line: Line, number: int) -> None:
        """The hub said that it is nowhere."""
        publication = self.publications.get(str(line["id"]))
        if publication is None:
            raise HistoryError(f"line {number}: {line['id']} was refused before it was sent")
        publication.refused = number

    def head(self, channel: str) -> Entry | None:
        """The largest acknowledged entry of the epoch that was acknowledged last."""
        return self._newest.get(channel)

    # -- subscribers -------------------------------------------------------------------------------------------------

    def handled(self, channel: str, name: str, place: Position, line: Line, number: int) -> None:
        """A subscriber was given an entry."""
        publication = self.publications.get(name)
        if publication is None:
            # Whether anybody ever sends it shows at the end.
            self._early.setdefault(name, number)
            self._stands(channel, Entry(place, name, number))
            return
        publication.seen = publication.seen or number
        if publication.channel != channel:
            text = f"{name} was published on {publication.channel} and came on {channel}"
            self._findings.add("V1", text, publication.line, number)
            return
        if line.get("sum") != publication.sum:
            self._findings.add("V1", f"{name} came with another content than was sent", publication.line, number)
        self._stands(channel, Entry(place, name, number))

    def confirmed(self, channel: str, place: Position, number: int) -> None:
        """A subscriber says that this is the head (V11)."""
        newest = self.head(channel)
        if newest is None:
            return
        if newest.place.epoch != place.epoch:
            text = f"{channel}: the head {place} is of another epoch than {newest.place}, which was acknowledged"
            self._findings.add("V11", text, newest.line, number)
        elif place.offset < newest.place.offset:
            text = f"{channel}: the head {place} is below {newest.place}, which was acknowledged"
            self._findings.add("V11", text, newest.line, number)

    # -- places ------------------------------------------------------------------------------------------------------

    def _stands(self, channel: str, entry: Entry) -> None:
        """An entry stands somewhere: one place has one entry, and one entry one place in an epoch (V2)."""
        entries = self._by_place[channel, entry.place.epoch]
        known = entries.setdefault(entry.place.offset, entry)
        if known.id != entry.id:
            text = f"{channel} {entry.place} is {known.id} and {entry.id}"
            self._findings.add("V2", text, known.line, entry.line)
            return
        if known is not entry:
            return
        before = self._by_id.get(entry.id)
        if before is not None and before.place.epoch == entry.place.epoch:
            self._findings.add("V2", f"{entry.id} is {before.place} and {entry.place}", before.line, entry.line)
        self.stored_again += before is not None and before.place.epoch != entry.place.epoch
        self._by_id[entry.id] = entry
        self._stands_in_time(entry)

    def _stands_in_time(self, entry: Entry) -> None:
        publication = self.publications.get(entry.id)
        floor = publication.floor if publication is not None else None
        if publication is None or floor is None or floor.place.epoch != entry.place.epoch:
            return
        if entry.place.offset < floor.place.offset:
            text = f"{entry.id} is {entry.place}, below {floor.id}, which was acknowledged before it was sent"
            self._findings.add("V10", text, floor.line, publication.line, entry.line)

    # -- the end -----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """What only the whole history shows."""
        for name, number in self._early.items():
            self._findings.add("V1", f"nobody published {name}", number)
        for publication in self.publications.values():
            if publication.refused and publication.seen:
                lines = (publication.line, publication.refused, publication.seen)
                self._findings.add("V1", f"{publication.id} was refused and came all the same", *lines)
        for (channel, _), entries in self.acked.items():
            self._judge_order(channel, entries)

    def _judge_order(self, channel: str, entries: dict[int, Entry]) -> None:
        """V8, of acknowledged entries: one whose outcome is unknown may have come late, by another connection."""
        last: dict[str, tuple[int, str, int]] = {}
        for offset in sorted(entries):
            entry = entries[offset]
            publication = self.publications[entry.id]
            seq, before, line = last.get(publication.publisher, (-1, "", 0))
            if publication.seq < seq:
                text = f"{channel}: {publication.publisher} sent {entry.id} before {before}, and it stands after it"
                self._findings.add("V8", text, publication.line, entry.line, line)
            else:
                last[publication.publisher] = publication.seq, entry.id, entry.line
