"""hub/reporters/status.py, hub/health.py: the health of the parts, told when it changes."""

import pytest

from hub.health import OK, Health, HealthBook, State
from hub.reporters.status import StatusReporter
from tests.support.recorder import RecordingPublisher


class Parts:
    """A plane and a broker whose health a test sets."""

    def __init__(self) -> None:
        self.states = {"plane": OK, "broker": OK}
        self.book = HealthBook()
        self.book.add("plane", lambda: self.states["plane"], vital=True)
        self.book.add("broker", lambda: self.states["broker"])
        self.publisher = RecordingPublisher()
        self.now = 100.0
        self.reporter = StatusReporter(self.book, self.publisher, "n1", wall=lambda: self.now)

    def told(self) -> list[tuple[str | None, str, float]]:
        events, self.publisher.events = self.publisher.events, []
        return [(event.key, event.data["state"], event.data["since"]) for event in events]


@pytest.mark.clause("C21")
@pytest.mark.accept("A17")
def test_every_part_is_told_at_the_interval_by_its_own_key() -> None:
    parts = Parts()
    parts.reporter.report_all()
    parts.now = 105.0
    assert parts.told() == [("plane", "ok", 100.0), ("broker", "ok", 100.0)]
    parts.reporter.report_all()
    assert parts.told() == [("plane", "ok", 100.0), ("broker", "ok", 100.0)]


def test_a_change_is_told_at_once_and_alone() -> None:
    parts = Parts()
    parts.reporter.report_all()
    parts.told()
    parts.reporter.report_changes()
    assert parts.told() == []
    parts.now, parts.states["broker"] = 103.0, Health(State.DEGRADED, "slow")
    parts.reporter.report_changes()
    (event,) = parts.publisher.events
    assert event.channel == "status"
    assert event.event == "component_health"
    assert event.data == {
        "component": "broker",
        "state": "degraded",
        "since": 103.0,
        "node": "n1",
        "detail": "slow",
    }


@pytest.mark.parametrize(
    ("plane", "broker", "started", "draining", "live", "ready"),
    [
        (State.OK, State.OK, True, False, True, True),
        (State.OK, State.OK, False, False, True, False),
        (State.OK, State.OK, True, True, True, False),
        (State.OK, State.DEGRADED, True, False, True, True),
        (State.OK, State.STARTING, True, False, True, False),
        (State.OK, State.FAILED, True, False, True, False),
        (State.FAILED, State.OK, True, False, False, False),
    ],
)
@pytest.mark.clause("N10")
def test_a_vital_part_that_failed_ends_liveness_and_any_other_readiness(
    plane: State, broker: State, started: bool, draining: bool, live: bool, ready: bool
) -> None:
    parts = Parts()
    parts.states = {"plane": Health(plane), "broker": Health(broker)}
    parts.book.is_started, parts.book.is_draining = started, draining
    assert (parts.book.is_live, parts.book.is_ready) == (live, ready)
