"""Who is present where on which nodes, in memory: the rules of `Bus.present`, as the scripts of Redis have them too."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from channels.backplane.bus import MOST_NEWS, News, Told


@dataclass(slots=True)
class _Record:
    since: float = 0.0
    nodes: set[str] = field(default_factory=set)
    news: list[News] = field(default_factory=list)
    mark: int = 0
    told: int = 0
    epoch: str = ""


class Attendance:
    """By channel and subject. `wall`: seconds; marks are made of it, so that they rise over restarts."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._channels: dict[str, dict[str, _Record]] = {}

    def nodes(self, channel: str, subject: str) -> set[str]:
        """Where `subject` is."""
        record = self._channels.get(channel, {}).get(subject)
        return set() if record is None else set(record.nodes)

    def of(self, node: str) -> list[tuple[str, str]]:
        """(channel, subject) of everything that `node` has said."""
        return [
            (channel, subject)
            for channel, records in self._channels.items()
            for subject, record in records.items()
            if node in record.nodes
        ]

    def present(self, node: str, channel: str, subjects: Mapping[str, float | None], epoch: str = "") -> list[News]:
        """See `Bus.present`."""
        records = self._channels.setdefault(channel, {})
        found: list[News] = []
        for subject, since in subjects.items():
            record = records.setdefault(subject, _Record())
            self._change(record, subject, node, since)
            is_joining = bool(record.news) and record.news[-1].event == "join"
            if epoch and record.nodes and record.epoch != epoch and not is_joining:
                self._add(record, subject, "join")
            found += record.news
        self._clear(channel, subjects)
        return found

    def told(self, channel: str, told: Iterable[Told]) -> None:
        """See `Bus.told`."""
        records = self._channels.get(channel, {})
        for subject, mark, epoch in told:
            record = records.get(subject)
            if record is not None:
                record.news = [one for one in record.news if one.mark > mark]
                if mark >= record.told:
                    record.told, record.epoch = mark, epoch
        self._clear(channel, [subject for subject, _, _ in told])

    def strike(self, node: str) -> Iterator[tuple[str, list[News]]]:
        """News of each channel on which `node` was, and those of it that nobody has told."""
        for channel, records in list(self._channels.items()):
            for subject, record in records.items():
                if node in record.nodes:
                    self._change(record, subject, node, None)
            news = [one for record in records.values() for one in record.news]
            if news:
                yield channel, news
            self._clear(channel, list(records))

    def _change(self, record: _Record, subject: str, node: str, since: float | None) -> None:
        was_there = bool(record.nodes)
        if since is None:
            record.nodes.discard(node)
        else:
            record.nodes.add(node)
        if record.nodes and not was_there:
            record.since = since or 0.0
            self._add(record, subject, "join")
        elif was_there and not record.nodes:
            self._add(record, subject, "leave")

    def _add(self, record: _Record, subject: str, event: str) -> None:
        record.mark = max(record.mark + 1, int(self._wall() * 1_000_000))
        record.news = [
            *record.news[1 - MOST_NEWS :],
            News(subject, event, record.since, len(record.nodes), record.mark),
        ]

    def _clear(self, channel: str, subjects: Iterable[str]) -> None:
        records = self._channels.get(channel, {})
        for subject in subjects:
            record = records.get(subject)
            if record is not None and not record.nodes and not record.news:
                del records[subject]
        if not records:
            self._channels.pop(channel, None)
