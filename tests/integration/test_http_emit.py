"""`POST /api/v1/emit`: signals without a socket (acceptance C11, N18; protocol M32-M35, L15)."""

from collections.abc import Iterator
from typing import Any

import pytest

from channels.buckets import Rate
from tests.support.hub import RunningHub
from tests.support.rest import Rest

PATH = "/api/v1/emit"
VECTOR = [0.12, 0.5, 0.33, 0.08, 0.91, 0.4, 0.27, 0.66]


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    with RunningHub(emit_batch=4) as running:
        yield running


@pytest.fixture
def bot(hub: RunningHub) -> Iterator[Rest]:
    with Rest(hub, "bot") as rest:
        yield rest


def signal(**changes: Any) -> dict[str, Any]:
    return {"event_type": "signal.input.text", "vector": VECTOR, **changes}


@pytest.mark.accept("C11", "N18")
@pytest.mark.clause("M34", "M46")
def test_a_signal_is_processed_and_becomes_an_event(hub: RunningHub) -> None:
    with Rest(hub, "bot") as bot, Rest(hub, "developer") as developer:
        vector = [0.9] * 8
        first = bot.post(PATH, signal(vector=vector, priority=200, payload={"text": "hi"}, tags={"chat": "c"})).data
        second = bot.post(PATH, signal(vector=vector, mid="emit-7")).data
        events = developer.get("/api/v1/channels/signals").data["events"]
    assert first["is_novel"] is True
    assert first["neighbors"] == []
    assert second["is_novel"] is False
    assert second["neighbors"][0] == {"token_id": first["token_id"], "distance": 0.0}
    assert first["processing_time_us"] > 0
    told = [event for event in events if event["data"]["token_id"] == first["token_id"]]
    assert told[0]["data"]["payload"] == {"text": "hi"}
    assert told[0]["tags"] == {"chat": "c"}
    assert second["position"].split(":")[1] == str(events[-1]["offset"])


@pytest.mark.clause("M33", "M46")
def test_a_batch_gets_its_results_in_the_order_of_its_vectors(bot: Rest) -> None:
    vectors = [[0.1] * 8, [5.0] * 8, [0.1] * 8]
    results = bot.post(PATH, {"event_type": "batch.test", "vectors": vectors}).data["results"]
    assert [result["is_novel"] for result in results] == [True, True, False]
    assert results[2]["neighbors"][0]["token_id"] == results[0]["token_id"]


@pytest.mark.clause("M35")
def test_a_repeat_with_the_same_mid_is_processed_once(bot: Rest) -> None:
    first, second = (bot.post(PATH, signal(vector=[7.0] * 8, mid="m-1")).data for _ in range(2))
    assert second["duplicate"] is True
    assert (second["token_id"], second["position"]) == (first["token_id"], first["position"])
    assert bot.post(PATH, signal(vector=[8.0] * 8, mid="m-1")).refusal == (409, "mid_conflict")


@pytest.mark.clause("M32", "M33")
@pytest.mark.parametrize(
    ("body", "refusal", "path"),
    [
        (signal(vector=VECTOR[:7]), (422, "vector_invalid"), "vector"),
        (signal(vector=[*VECTOR, 1]), (422, "vector_invalid"), "vector"),
        (signal(vector=["a"] * 8), (422, "vector_invalid"), "vector"),
        (signal(vector=[True] * 8), (422, "vector_invalid"), "vector"),
        (signal(vector=[1e39] * 8), (422, "vector_invalid"), "vector"),
        (signal(vector=None), (400, "bad_message"), "vector"),
        (signal(vectors=[VECTOR]), (400, "bad_message"), "vector"),
        ({"event_type": "x", "vectors": [VECTOR, [1]]}, (422, "vector_invalid"), "vectors.1"),
        ({"event_type": "x", "vectors": []}, (422, "vector_invalid"), "vectors"),
        ({"event_type": "x", "vectors": [VECTOR] * 5}, (413, "too_large"), "vectors"),
        (signal(payload="x" * 65_536), (413, "too_large"), "payload"),
        (signal(priority=256), (422, "schema_invalid"), "priority"),
        (signal(priority=1.5), (422, "schema_invalid"), "priority"),
        (signal(event_type="a..b"), (400, "bad_message"), "event_type"),
    ],
)
def test_ms13_a_signal_that_is_wrong_is_refused_before_any_of_it_is_processed(
    bot: Rest, body: dict[str, Any], refusal: tuple[int, str], path: str
) -> None:
    answer = bot.post(PATH, body)
    assert answer.refusal == refusal
    assert answer.error["path"] == path


def test_ms13_not_a_number_is_no_json(bot: Rest) -> None:
    body = b'{"event_type":"x","vector":[NaN,0,0,0,0,0,0,0]}'
    assert bot.post(PATH, body).refusal == (400, "bad_json")


@pytest.mark.accept("C11")
@pytest.mark.clause("C19")
@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("developer", 200), ("viewer", 403), ("bot", 200), (None, 401)]
)
def test_the_right_to_emit_is_that_of_the_table(hub: RunningHub, role: str | None, status: int) -> None:
    with Rest(hub, role) as rest:
        assert rest.post(PATH, signal()).status == status


@pytest.mark.clause("L22", "L24")
def test_each_vector_costs_one_from_the_subjects_bucket() -> None:
    with RunningHub(rate_emit=Rate(1, 0.001), emit_batch=1) as hub, Rest(hub, "bot") as rest:
        statuses = [rest.post(PATH, signal()).status for _ in range(11)]
        assert statuses == [200] * 10 + [429]
