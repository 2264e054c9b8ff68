"""What `connections` could not be told is told when its log can be reached again (C22)."""

import json
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from channels.backplane import Result
from channels.errors import LogUnavailable, OutcomeUnknown, ReadOnlyChannel
from channels.permissions import Role
from channels.publication import Publication, Stored
from hub import announcements
from hub.announcements import Announcements
from hub.auth import Identity
from tests.support.town import Joined, Town, until

if TYPE_CHECKING:
    from channels.broker import Broker

ADMIN = Identity("root", Role.ADMIN)


class Log:
    """Stands where the broker stands; answers with `answer`, or when `settle` is called."""

    def __init__(self) -> None:
        self.backplane = SimpleNamespace(outage=None)
        self.durable = SimpleNamespace(unwritable_channels=frozenset())
        self.answer: Result | None = Stored("e:1")
        self.told: list[tuple[str, str, Any]] = []
        """(event, connection, data)"""
        self.waiting: list[Any] = []

    def publish_nowait(self, entry: Publication, done: Any) -> None:
        assert entry.channel == "connections"
        assert entry.key is not None
        self.told.append((entry.event, entry.key, json.loads(entry.data)))
        if self.answer is None:
            self.waiting.append(done)
        else:
            done(self.answer)

    def settle(self, result: Result) -> None:
        self.waiting.pop(0)(result)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def counted() -> Counter[str]:
    return Counter()


@pytest.fixture
def telling(log: Log, counted: Counter[str]) -> Announcements:
    return Announcements(cast("Broker", log), lambda: counted.update(["refused"]))


AWAY = LogUnavailable("away")


def rows(node: Joined) -> set[str]:
    return set(node.cluster.elsewhere.of("n1"))


@pytest.mark.clause("C22", "N16")
async def test_who_came_and_went_while_the_store_was_away_is_known_to_the_others_when_it_is_back() -> None:
    town = Town("n1", "n2")
    async with town as (one, two):
        one.remote._patience = 0.001
        peer = one.peer(ADMIN)
        await peer.next("welcome")
        await until(lambda: rows(two) == {peer.connection.session.conn})
        one.remote.is_cut = True
        newcomer = one.peer(ADMIN)
        await newcomer.next("welcome")
        one.plane.close(peer.number, 1000, "")
        one.plane.flush()
        await until(lambda: len(one.connections.announcements) == 2)
        one.connections.announcements.sweep()
        assert len(one.connections.announcements) == 2
        one.remote.heal()
        one.connections.announcements.sweep()
        await until(lambda: rows(two) == {newcomer.connection.session.conn})
        events = [event for event, _ in town.store.events("connections")]
        assert sorted(events) == ["join", "join", "leave"]
        assert len(one.connections.announcements) == 0


@pytest.mark.clause("C22")
def test_what_came_later_stands_for_what_was_refused(log: Log, telling: Announcements, counted: Counter[str]) -> None:
    telling.tell("c-1", "join", {})
    log.answer = AWAY
    telling.tell("c-1", "update", {"n": 1})
    telling.tell("c-1", "update", {"n": 2})
    log.answer, log.told = Stored("e:2"), []
    for _ in range(2):
        telling.sweep()
    assert (log.told, counted["refused"]) == ([("update", "c-1", {"n": 2})], 2)


@pytest.mark.clause("C22")
def test_a_refusal_that_comes_late_undoes_nothing_newer(log: Log, telling: Announcements) -> None:
    log.answer = None
    telling.tell("c-1", "update", {})
    telling.tell("c-1", "leave", {})
    log.settle(AWAY)
    log.settle(Stored("e:1"))
    telling.sweep()
    assert [event for event, *_ in log.told] == ["update", "leave"]
    assert len(telling) == 0


@pytest.mark.clause("C22")
def test_of_a_connection_that_nobody_has_heard_of_the_first_word_is_join_and_there_is_no_leave(
    log: Log, telling: Announcements
) -> None:
    log.answer = AWAY
    for conn in ("c-1", "c-2"):
        telling.tell(conn, "join", {})
    telling.tell("c-1", "update", {"n": 1})
    telling.tell("c-2", "leave", {})
    log.answer, log.told = Stored("e:1"), []
    telling.sweep()
    assert log.told == [("join", "c-1", {"n": 1})]


@pytest.mark.clause("C22", "E3")
def test_what_may_have_been_stored_is_told_again_and_its_leave_too(log: Log, telling: Announcements) -> None:
    log.answer = OutcomeUnknown("no answer")
    telling.tell("c-1", "join", {})
    telling.tell("c-1", "leave", {})
    log.answer, log.told = Stored("e:1"), []
    telling.sweep()
    assert log.told == [("leave", "c-1", {})]


def test_what_can_never_be_stored_is_not_kept(log: Log, telling: Announcements) -> None:
    log.answer = ReadOnlyChannel("never")
    telling.tell("c-1", "join", {})
    assert len(telling) == 0


def test_the_oldest_of_too_many_that_are_gone_is_dropped_and_counted(
    log: Log, telling: Announcements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "MOST_LEFT", 2)
    log.answer = AWAY
    telling.tell("c-0", "update", {})
    for number in range(1, 4):
        telling.tell(f"c-{number}", "leave", {})
    assert (len(telling), telling.dropped) == (3, 1)
    log.answer, log.told = Stored("e:1"), []
    telling.sweep()
    assert [conn for _, conn, _ in log.told] == ["c-2", "c-3", "c-0"]


def test_a_log_that_cannot_be_written_is_asked_once_a_second(log: Log, telling: Announcements) -> None:
    log.answer = AWAY
    for number in range(5):
        telling.tell(f"c-{number}", "update", {})
    log.durable.unwritable_channels = frozenset(["connections"])
    log.told = []
    telling.sweep()
    assert len(log.told) == 1
