"""The hub's answers as values."""

import pytest
from neurograph_ws_client import Emitted, Neighbor, Published, Welcome
from neurograph_ws_client.answers import emitted_from

WELCOME = {
    "type": "welcome",
    "conn": "c-8f2a41",
    "session": "s-19ac07",
    "node": "n2",
    "version": "1",
    "user": "ann",
    "role": "developer",
    "resumed": False,
    "expires_in": 3540,
    "heartbeat": {"interval": 20, "timeout": 5},
    "limits": {"message": 1000, "emit_batch": 10, "rates": {"ping": [120, 2]}},
    "encodings": ["gzip"],
    "channels": {"metrics": {"rights": ["subscribe"]}, "room:*": {"rights": ["subscribe", "broadcast"]}},
}


@pytest.mark.clause("M41", "H1")
def test_a_welcome_tells_role_times_limits_and_rights() -> None:
    welcome = Welcome.from_wire(WELCOME)
    assert (
        welcome.user,
        welcome.role,
        welcome.expires_in,
        welcome.interval,
        welcome.timeout,
    ) == ("ann", "developer", 3540.0, 20.0, 5.0)
    assert (
        welcome.limits.message,
        welcome.limits.emit_batch,
        welcome.limits.in_flight,
        welcome.limits.rates,
    ) == (1000, 10, 256, {"ping": (120.0, 2.0)})
    assert welcome.channels == {"metrics": ("subscribe",), "room:*": ("subscribe", "broadcast")}


@pytest.mark.clause("C23")
def test_a_right_on_a_namespace_is_a_right_on_what_begins_so() -> None:
    welcome = Welcome.from_wire(WELCOME)
    assert welcome.may("broadcast", "room:kitchen")
    assert welcome.may("subscribe", "metrics")
    assert not welcome.may("broadcast", "metrics")
    assert not welcome.may("subscribe", "metrics2")


@pytest.mark.clause("M30", "M31")
def test_a_stored_publish_has_its_position() -> None:
    answer = {"type": "ack", "id": 6, "positions": {"actions": "k3Fq:4411"}, "duplicate": True}
    assert Published("k3Fq:4411", duplicate=True) == Published.from_wire(answer, "actions")


@pytest.mark.clause("M46", "M35")
def test_a_batch_of_signals_has_one_result_each_with_what_holds_for_all() -> None:
    results = [
        {"token_id": 1, "is_novel": False, "neighbors": [{"token_id": 9, "distance": 0.5}]},
        {"token_id": 2, "is_novel": True, "neighbors": []},
    ]
    answer = {"type": "emitted", "results": results, "processing_time_us": 4.9, "position": "k3Fq:905"}
    assert [
        Emitted(1, False, [Neighbor(9, 0.5)], "k3Fq:905", False, 4.9),
        Emitted(2, True, [], "k3Fq:905", False, 4.9),
    ] == emitted_from(answer)
