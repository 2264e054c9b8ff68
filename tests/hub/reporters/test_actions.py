"""hub/reporters/actions.py, log_events.py, publisher.py: what is told of administrators, and of the log."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import structlog

from channels.broker import BrokerError, Publication, Stored
from channels.buckets import Rate
from channels.errors import LogUnavailable
from channels.permissions import Role
from channels.publication import Position
from hub.auth import Identity
from hub.counters import Counters
from hub.reporters.actions import ActionsReporter
from hub.reporters.log_events import publish_records
from hub.reporters.publisher import Publisher
from tests.support.publishes import runs as runs_of
from tests.support.publishes import text
from tests.support.recorder import RecordingPublisher

ROOT = Identity("root", Role.ADMIN)


@pytest.mark.accept("C13")
@pytest.mark.clause("C21")
def test_an_action_is_told_with_who_did_it_and_audited() -> None:
    publisher = RecordingPublisher()
    with structlog.testing.capture_logs() as lines:
        ActionsReporter(publisher, "n1").record("admin.kick", ROOT, {"conn": "c-1", "event": "x"})
    (event,) = publisher.events
    assert (event.channel, event.event, event.key) == ("actions", "admin.kick", "admin.kick")
    assert event.data == {
        "conn": "c-1",
        "event": "x",
        "by": "root",
        "role": "admin",
        "node": "n1",
        "result": "done",
    }
    assert lines == [
        {
            "event": "admin.kick",
            "user": "root",
            "role": "admin",
            "what": {"conn": "c-1", "event": "x"},
            "audit": True,
            "log_level": "info",
        }
    ]


STORED = Stored("e:7")


def admin_publishes(*publications: Publication, who: Identity = ROOT, stored: Stored = STORED) -> list[Any]:
    publisher = RecordingPublisher()
    reporter = ActionsReporter(publisher, "n1", Rate(100, 1), lambda: 0.0)
    for publication in publications:
        reporter.published(who, "c-1", publication, stored)
    return [event.data for event in publisher.events]


@pytest.mark.accept("C13")
@pytest.mark.clause("C21")
def test_a_publish_of_an_administrator_is_told_with_its_place() -> None:
    (told,) = admin_publishes(Publication("status", "deploy.done", b"1"))
    assert {name: told[name] for name in ("channel", "event", "position", "by")} == {
        "channel": "status",
        "event": "deploy.done",
        "position": "e:7",
        "by": "root",
    }


@pytest.mark.clause("C21", "M31")
def test_what_stands_in_actions_already_others_publishes_and_repeats_are_not_told() -> None:
    event = Publication("status", "x", b"1")
    assert admin_publishes(Publication("actions", "x", b"1")) == []
    assert admin_publishes(event, who=Identity("ann", Role.DEVELOPER)) == []
    assert admin_publishes(event, stored=Stored("e:7", duplicate=True)) == []


@pytest.mark.clause("C21")
def test_who_publishes_more_than_the_log_takes_is_told_of_with_what_was_left_out() -> None:
    publisher, now = RecordingPublisher(), [0.0]
    reporter = ActionsReporter(publisher, "n1", Rate(2, 1), lambda: now[0])
    for _ in range(5):
        reporter.published(ROOT, "c-1", Publication("status", "x", b"1"), STORED)
    reporter.published(ROOT, "c-2", Publication("status", "x", b"1"), STORED)
    now[0] = 1.0
    reporter.sweep(1.0)
    reporter.published(ROOT, "c-1", Publication("status", "x", b"1"), STORED)
    assert [event.data.get("left_out") for event in publisher.events] == [None, None, None, 3]


@pytest.mark.clause("C21")
def test_publishes_that_were_stored_together_are_told_as_if_each_had_come_alone() -> None:
    publisher = RecordingPublisher()
    reporter = ActionsReporter(publisher, "n1", Rate(2, 1), lambda: 0.0)
    runs = [runs_of(text("status", event="a"), text("status", event="b"), text("status", event="c"))[0]]
    runs.append(runs_of(text("status", event="d"))[0])
    people = [ROOT, Identity("ann", Role.DEVELOPER), ROOT]
    shares: list[Any] = [
        (
            SimpleNamespace(session=SimpleNamespace(identity=who, conn=f"c-{number}")),
            runs[number // 2],
            len(runs[number // 2]),
        )
        for number, who in enumerate(people)
    ]
    reporter.published_together(shares, Position("e", 7))
    reporter.published_together(shares[:1], Position("e", 20))
    reporter.published_together([(shares[0][0], runs_of(text("actions"))[0], 1)], Position("e", 1))
    told = [(event.data["event"], event.data["position"]) for event in publisher.events]
    assert told == [("a", "e:7"), ("b", "e:8"), ("d", "e:13")]
    reporter._monotonic = lambda: 1.0
    reporter.published_together(shares[:1], Position("e", 30))
    last = publisher.events[-1].data
    assert (last["event"], last["position"], last["left_out"]) == ("a", "e:30", 4)


def test_log_records_become_events_of_their_own_name() -> None:
    publisher = RecordingPublisher("n2")
    records = [{"event": "auth.refused", "level": "info", "node": "x"}, {"event": "Not a name", "level": "error"}]
    publish_records(publisher, records)
    assert [(event.channel, event.event) for event in publisher.events] == [
        ("logs", "auth.refused"),
        ("logs", "log.record"),
    ]
    assert publisher.events[0].data["node"] == "n2"
    assert publisher.events[1].tags == b'{"level":"error","node":"n2"}'


class FakeBroker:
    """Remembers publications; answers all of them alike."""

    def __init__(self, answer: Stored | BrokerError) -> None:
        self.publications: list[Publication] = []
        self._answer = answer

    def publish_nowait(self, publication: Publication, done: Callable[[Stored | BrokerError], None]) -> None:
        self.publications.append(publication)
        done(self._answer)


def test_a_report_is_published_with_the_nodes_tag() -> None:
    broker: Any = FakeBroker(Stored("e:1"))
    counters = Counters()
    Publisher(broker, counters, "n1").publish("metrics", "m", {"x": 1, "nan": float("nan")}, key="n1/system")
    (publication,) = broker.publications
    assert (publication.channel, publication.event, publication.key) == ("metrics", "m", "n1/system")
    assert orjson.loads(publication.data) == {"x": 1, "nan": None}
    assert publication.tags == b'{"node":"n1"}'
    assert counters.values["errors"] == {}


def test_a_report_that_the_broker_refuses_is_counted_and_raises_nothing() -> None:
    broker: Any = FakeBroker(LogUnavailable("gone"))
    counters = Counters()
    Publisher(broker, counters, "n1").publish("metrics", "m", {})
    assert counters.values["errors"] == {("internal", "report"): 1}
