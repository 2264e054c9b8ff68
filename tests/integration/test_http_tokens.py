"""Tokens, token connections, grid and query over HTTP (acceptance H2, H3, H5, H6)."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from channels.buckets import Rate
from tests.support.hub import RunningHub
from tests.support.rest import Rest

API = "/api/v1"


def at(x: float) -> list[float]:
    return [x, *[0.0] * 7]


@pytest.fixture
def hub() -> Iterator[RunningHub]:
    with RunningHub(emit_batch=4) as running:
        yield running


@pytest.fixture
def bot(hub: RunningHub) -> Iterator[Rest]:
    with Rest(hub, "bot") as rest:
        yield rest


@pytest.fixture
def admin(hub: RunningHub) -> Iterator[Rest]:
    with Rest(hub, "admin") as rest:
        yield rest


def told(rest: Rest, prefix: str) -> list[dict[str, Any]]:
    events = rest.get(f"{API}/channels/signals").data["events"]
    return [event for event in events if event["event"].startswith(prefix)]


@pytest.mark.accept("H6", "B2")
def test_a_token_is_made_read_changed_and_removed_and_each_is_an_event(bot: Rest) -> None:
    made = bot.post(f"{API}/tokens", {"vector": at(0.5), "event_type": "thing", "weight": 0.5, "priority": 7}).data
    token = made["token_id"]
    assert made["vector"] == at(0.5)
    assert (made["event_type"], made["weight"], made["priority"]) == ("thing", 0.5, 7)
    assert bot.get(f"{API}/tokens/{token}").data == made
    changed = bot.call("PATCH", f"{API}/tokens/{token}", json={"vector": at(0.25)}).data
    assert changed == made | {"vector": at(0.25)}
    assert bot.get(f"{API}/tokens/count").data == {"count": 1}
    assert bot.delete(f"{API}/tokens/{token}").data == {"deleted": 1}
    for answer in (bot.get(f"{API}/tokens/{token}"), bot.delete(f"{API}/tokens/{token}")):
        assert (answer.status, answer.error["error"]) == (404, "not_found")
    assert [event["event"] for event in told(bot, "token.")] == ["token.created", "token.updated", "token.deleted"]


@pytest.mark.clause("F2", "F7", "F9")
@pytest.mark.accept("H6", "B12")
def test_tokens_are_listed_through_a_filter(bot: Rest) -> None:
    bot.post(f"{API}/tokens/batch", {"vectors": [at(x) for x in (0.1, 0.2, 0.3, 0.4)], "event_type": "thing"})
    bot.post(f"{API}/tokens", {"vector": at(0.2), "event_type": "other"})

    def listed(wanted: Any, **page: int) -> Any:
        query = {"filter": json.dumps(wanted), **page}
        return bot.get(f"{API}/tokens?{urlencode(query)}")

    near = {"event": "thing", "data.vector": {"near": {"center": at(0.2), "radius": 0.11}}}
    assert [token["token_id"] for token in listed(near).data["tokens"]] == [3, 2, 1]
    page = listed(near, limit=2).data
    assert [token["token_id"] for token in page["tokens"]] == [3, 2]
    assert [token["token_id"] for token in listed(near, limit=2, before=page["next"]).data["tokens"]] == [1]
    refused = listed({"data.vector": {"near": {"center": [0.2] * 7, "radius": 0.1}}})
    assert (refused.status, refused.error["error"]) == (422, "filter_invalid")
    assert refused.error["path"] == "filter.data.vector.near.center"


@pytest.mark.accept("H6")
def test_tokens_are_made_in_batches_and_listed_in_pages(bot: Rest, admin: Rest) -> None:
    made = bot.post(f"{API}/tokens/batch", {"vectors": [at(x) for x in (0.1, 0.2, 0.3, 0.4)]}).data
    assert made == {"first": 1, "last": 4, "count": 4}
    page = bot.get(f"{API}/tokens?limit=3").data
    assert ([token["token_id"] for token in page["tokens"]], page["next"]) == ([4, 3, 2], 2)
    page = bot.get(f"{API}/tokens?limit=3&before={page['next']}").data
    assert ([token["token_id"] for token in page["tokens"]], page["next"]) == ([1], None)
    assert bot.delete(f"{API}/tokens").error["error"] == "forbidden"
    assert admin.delete(f"{API}/tokens").data == {"deleted": 4}
    assert bot.get(f"{API}/tokens/count").data == {"count": 0}


@pytest.mark.accept("H5", "B3")
def test_connections_have_the_whole_life_and_are_counted_in_status(bot: Rest) -> None:
    bot.post(f"{API}/tokens/batch", {"vectors": [at(x) for x in (0.1, 0.2, 0.3)]})
    made = bot.post(f"{API}/connections", {"token_a": 1, "token_b": 2, "kind": "causes", "pull_strength": 0.5}).data
    other = bot.post(f"{API}/connections", {"token_a": 2, "token_b": 3}).data
    wanted = made["connection_id"]
    assert bot.get(f"{API}/connections/{wanted}").data == made
    assert bot.call("PATCH", f"{API}/connections/{wanted}", json={"pull_strength": 0.75}).data["pull_strength"] == 0.75
    assert bot.get(f"{API}/connections/count").data == {"count": 2}
    assert bot.get(f"{API}/status").data["token_connections"] == 2
    ids = [one["connection_id"] for one in bot.get(f"{API}/connections?token=2").data["connections"]]
    assert ids == [other["connection_id"], wanted]
    assert len(bot.get(f"{API}/connections?token=1").data["connections"]) == 1
    page = bot.get(f"{API}/connections?limit=1").data
    assert page["next"] == other["connection_id"]
    assert bot.delete(f"{API}/connections/{wanted}").data == {"deleted": 1}
    assert bot.get(f"{API}/connections/{wanted}").error["error"] == "not_found"
    bot.delete(f"{API}/tokens/3")
    assert bot.get(f"{API}/connections/count").data == {"count": 0}
    names = [event["event"] for event in told(bot, "connection.")]
    assert names == ["connection.created"] * 2 + ["connection.updated", "connection.deleted", "connection.deleted"]


@pytest.mark.accept("H6", "N10")
def test_the_grid_tells_of_itself_and_what_lies_near(bot: Rest) -> None:
    bot.post(f"{API}/tokens/batch", {"vectors": [at(x) for x in (0.1, 0.2, 0.5)]})
    assert bot.get(f"{API}/grid").data["points"] == 3
    near = bot.post(f"{API}/grid/neighbors", {"vector": at(0.0), "k": 2}).data["neighbors"]
    assert [(one["token_id"], round(one["distance"], 6)) for one in near] == [(1, 0.1), (2, 0.2)]
    of_token = bot.post(f"{API}/grid/neighbors", {"token_id": 3, "k": 1, "scope": "all"}).data["neighbors"]
    assert of_token[0]["token_id"] == 2
    assert bot.post(f"{API}/grid/range", {"lo": at(0.15), "hi": at(1.0)}).data == {"token_ids": [3, 2]}


@pytest.mark.accept("H2", "H3")
def test_a_query_by_text_or_vector_finds_the_most_similar(bot: Rest) -> None:
    text = {"event_type": "signal.input.text", "vector": bot_vector("the cat sat on the mat")}
    token = bot.post(f"{API}/emit", text).data["token_id"]
    bot.post(f"{API}/tokens", {"vector": at(9.0)})
    answer = bot.post(f"{API}/query", {"text": "The cat sat on the mat!", "limit": 5})
    [first, second] = answer.data["results"]
    assert (first["token_id"], first["event"]) == (token, "signal.input.text")
    assert first["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert second["similarity"] < 0.2
    document = answer.response.json()
    assert document["success"] is True
    assert document["meta"].keys() >= {"processing_time_ms", "timestamp"}
    by_vector = bot.post(f"{API}/query", {"vector": at(9.0), "limit": 1, "event_type": "token"}).data["results"]
    assert by_vector[0]["distance"] == 0.0


def bot_vector(text: str) -> list[float]:
    from channels._native import encode_text

    return encode_text(text)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error", "sentence"),
    [
        ("POST", "/tokens", {"vector": [0.5] * 7}, 422, "vector_invalid", "vector must have 8 dimensions, got 7"),
        ("POST", "/tokens", {"vector": [1e300] * 8}, 422, "vector_invalid", "vector[0] must be finite"),
        ("POST", "/tokens", {"vector": at(0), "priority": 256}, 422, "schema_invalid", "priority must be"),
        ("POST", "/tokens", {"vector": at(0), "weight": 1e300}, 422, "schema_invalid", "weight must be finite"),
        ("POST", "/tokens", {"vector": at(0), "event_type": "a b"}, 400, "bad_message", "event_type must be"),
        ("POST", "/tokens", {"vector": at(0), "colour": "red"}, 400, "bad_message", "colour"),
        ("POST", "/tokens", {"vector": "no"}, 400, "bad_message", "vector"),
        ("POST", "/tokens", {}, 400, "bad_message", "vector"),
        ("POST", "/tokens/batch", {"vectors": []}, 400, "bad_message", "expected 1 to 4 vectors, came 0"),
        ("POST", "/tokens/batch", {"vectors": [at(0)] * 5}, 413, "too_large", "expected 1 to 4 vectors, came 5"),
        ("POST", "/tokens/batch", {"vectors": [at(0), [1.0]]}, 422, "vector_invalid", "8 dimensions, got 1"),
        ("PATCH", "/tokens/99", {"weight": 1.0}, 404, "not_found", "there is no token 99"),
        ("GET", "/tokens?limit=0", None, 400, "bad_message", "limit: expected 1 to 1000"),
        ("GET", "/tokens/999999999999999999999999", None, 404, "not_found", "there is no id"),
        ("POST", "/connections", {"token_a": 1, "token_b": 99}, 422, "schema_invalid", "token_a must be"),
        ("PATCH", "/connections/99", {"pull_strength": 1.0}, 404, "not_found", "there is no connection 99"),
        ("POST", "/grid/neighbors", {"vector": at(0), "token_id": 1}, 400, "bad_message", "exactly one of"),
        ("POST", "/grid/neighbors", {"vector": at(0), "k": 65}, 422, "schema_invalid", "k must be 1 to 64"),
        ("POST", "/grid/neighbors", {"vector": at(0), "k": "x"}, 400, "bad_message", "k"),
        ("POST", "/grid/range", {"lo": at(1), "hi": at(0)}, 422, "schema_invalid", "hi must be at least lo"),
        ("POST", "/query", {"limit": 5}, 400, "bad_message", "exactly one of vector and text"),
        ("POST", "/query", {"text": "x", "limit": 0}, 422, "schema_invalid", "limit must be 1 to 64"),
        ("POST", "/query", {"text": "x", "limit": 65}, 422, "schema_invalid", "limit must be 1 to 64"),
        ("POST", "/query", {"text": "x" * 65_537}, 413, "too_large", "at most 65536 characters"),
    ],
)
def test_what_is_wrong_is_told(
    shared: Rest, method: str, path: str, body: Any, status: int, error: str, sentence: str
) -> None:
    answer = shared.call(method, API + path, **({} if body is None else {"json": body}))
    assert (answer.status, answer.error["error"]) == (status, error)
    assert sentence in answer.error["message"]
    assert shared.get(f"{API}/tokens/count").data == {"count": 0}


@pytest.fixture(scope="module")
def shared() -> Iterator[Rest]:
    with RunningHub(emit_batch=4) as running, Rest(running, "bot") as rest:
        yield rest


@pytest.mark.parametrize("role", ["viewer", None])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/tokens", None),
        ("GET", "/connections/count", None),
        ("GET", "/grid", None),
        ("POST", "/query", {"text": "x"}),
        ("POST", "/tokens", {"vector": at(0)}),
        ("POST", "/connections", {"token_a": 1, "token_b": 2}),
        ("DELETE", "/tokens/1", None),
        ("DELETE", "/tokens", None),
    ],
)
def test_who_may_not_follow_signals_learns_nothing_of_them(
    limited: RunningHub, role: str | None, method: str, path: str, body: Any
) -> None:
    with Rest(limited, role) as rest:
        answer = rest.call(method, API + path, **({} if body is None else {"json": body}))
    assert answer.error["error"] == ("forbidden" if role else "login_required")


@pytest.fixture(scope="module")
def limited() -> Iterator[RunningHub]:
    with RunningHub(emit_batch=1, rate_emit=Rate(1, 0.001)) as running:
        yield running


def test_looking_through_all_tokens_costs_signals_and_the_newest_do_not(limited: RunningHub) -> None:
    with Rest(limited, "bot") as rest:
        answers = [rest.get(f"{API}/tokens?filter={{}}").status for _ in range(12)]
        assert answers == [200] * 10 + [429] * 2
        assert rest.get(f"{API}/tokens").status == 200


def test_a_change_costs_what_a_signal_costs(limited: RunningHub) -> None:
    with Rest(limited, "developer") as rest:
        answers = [rest.post(f"{API}/tokens", {"vector": at(0)}) for _ in range(12)]
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 2
    assert answers[-1].error["error"] == "rate_limited"
    assert "retry-after" in answers[-1].headers
