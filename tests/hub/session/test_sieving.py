"""Filters as a session takes them: what they cost the connection, where they are told, whose policies hold."""

from typing import Any

import pytest

from channels.permissions import Role
from hub.session import Subscribe
from hub.session.effects import Refilter
from tests.hub.session.household import Household, resumed, specs_of
from tests.hub.session.support import Bench, bench, developer, identity

HOT = {"data.cpu": {"gte": 80}}
POLICIES = {
    "logs": {"subscribe": ["developer", "viewer", "admin"], "policies": {"viewer": {"tags.level": "info"}}},
    "metrics": {"subscribe": ["developer", "viewer", "admin"], "policies": {"viewer": HOT, "developer": HOT}},
}


def subscribe(peer: Bench, **members: Any) -> Any:
    (answer,) = peer.send({"type": "subscribe", **members})
    return answer


def told(peer: Bench, effect: Subscribe) -> Any:
    between = b'"position":"k3Fq:7","behind":2'
    if peer.session.codec.encoding == "msgpack":
        between = b"\xa8position\xa6k3Fq:7\xa6behind\x02"
    return peer.decode(between.join(effect.reply))


@pytest.mark.clause("F1", "M42")
@pytest.mark.parametrize("subprotocol", ["ng-ws.v1.json", "ng-ws.v1.msgpack"])
def test_a_filter_reaches_the_cursor_and_is_told_as_it_came(subprotocol: str) -> None:
    peer = bench(developer(), subprotocol=subprotocol)
    asked = {"key": "a", **HOT}
    effect = subscribe(peer, channel="logs", filter=asked)
    (spec,) = effect.specs
    assert spec.filter.text == b'{"all":[{"key":{"eq":"a"}},{"data.cpu":{"gte":80}}]}'
    assert told(peer, effect)["channels"]["logs"]["filter"] == asked


@pytest.mark.clause("F1", "M3", "M26")
@pytest.mark.parametrize("nothing", [{}, None, {"all": [{}, {}]}])
def test_a_filter_that_lets_everything_through_is_none(nothing: Any) -> None:
    peer = bench(developer())
    subscribe(peer, channel="logs", filter=HOT)
    effect = subscribe(peer, channel="logs", filter=nothing)
    assert effect.specs[0].filter is None
    assert effect.specs[0].keep
    assert "filter" not in told(peer, effect)["channels"]["logs"]


@pytest.mark.clause("F8", "F9", "E2")
@pytest.mark.parametrize(
    ("wrong", "path", "expected"),
    [
        ({"a": 1}, "filter.a", "event, key, content_type"),
        ({"data.cpu": {"gte": None}}, "filter.data.cpu.gte", "a number or text, came null"),
        ({"any": [{"tags.host": {"like": "x"}}]}, "filter.any.0.tags.host.like", "eq, ne, in"),
        ({"not": {"not": {"not": {"not": {}}}}}, "filter.not.not.not.not", "at most 4 filters"),
        ({f"data.f{n}": n for n in range(33)}, "filter.data.f32", "at most 32 operators"),
        ({"key": "k" * 2_048}, "filter", "at most 2048 bytes"),
    ],
)
def test_a_filter_that_breaks_a_rule_is_422_with_its_path(wrong: Any, path: str, expected: str) -> None:
    peer = bench(developer())
    answer = subscribe(peer, id=3, channel="logs", filter=wrong)
    assert (answer["code"], answer["error"], answer["path"]) == (422, "filter_invalid", path)
    assert answer["message"].startswith("filter: ")
    assert expected in answer["message"]
    assert not answer["temporary"]
    assert peer.session.subscriptions == {}


@pytest.mark.clause("F8")
def test_the_bounds_of_a_filter_are_settings() -> None:
    peer = bench(developer(), filter_bytes=30, filter_nodes=2, filter_depth=1)
    refused: list[dict[str, Any]] = [{"not": {}}, {"key": "a" * 30}, {"data": {"gt": 1, "lt": 2, "ne": 3}}]
    for wrong in refused:
        assert subscribe(peer, channel="logs", filter=wrong)["code"] == 422
    assert isinstance(subscribe(peer, channel="logs", filter={"data": {"gt": 1}}), Subscribe)


@pytest.mark.clause("F8", "M23")
def test_the_filters_of_a_connection_are_bounded_together() -> None:
    peer = bench(developer(), filter_total=100)
    asked = {"key": "k" * 29}  # 40 bytes
    effect = subscribe(peer, channels=["logs", "metrics", "status"], filter=asked)
    answer = told(peer, effect)
    assert set(answer["channels"]) == {"logs", "metrics"}
    refused = answer["errors"]["status"]
    assert (refused["code"], refused["path"], refused["limit"]) == (422, "filter", 100)
    # One that takes the place of another counts alone.
    assert isinstance(subscribe(peer, channel="logs", filter={"key": "j" * 40}), Subscribe)
    assert isinstance(subscribe(peer, channels=["logs", "metrics"], filter={"key": "j" * 38}), Subscribe)
    assert subscribe(peer, channel="status", filter={"key": 1})["code"] == 422
    peer.send({"type": "unsubscribe", "channel": "logs"})
    assert isinstance(subscribe(peer, channel="status", filter={"key": 1}), Subscribe)


@pytest.mark.clause("M11", "M13")
def test_what_no_message_may_hold_no_filter_may_hold() -> None:
    peer = bench(developer())
    (answer,) = peer.send(b'{"type":"subscribe","channel":"logs","filter":{"key":"a","key":"b"}}')
    assert answer["code"] == 422  # the plane, which refuses it as bad_json, is not before this session
    (answer,) = peer.send(b'{"type":"subscribe","channel":"logs","filter":"{}"}')
    assert (answer["code"], answer["path"]) == (400, "filter")


@pytest.mark.clause("F12")
def test_a_policy_is_added_and_never_told() -> None:
    for role, expected in ((Role.VIEWER, b'{"tags.level":{"eq":"info"}}'), (Role.DEVELOPER, None)):
        peer = bench(identity(role), tables=POLICIES)
        effect = subscribe(peer, channel="logs", filter={"key": "a"})
        (spec,) = effect.specs
        assert (spec.policy and spec.policy.text) == expected
        assert spec.filter.text == b'{"key":{"eq":"a"}}'
        assert told(peer, effect)["channels"]["logs"]["filter"] == {"key": "a"}
        bare = subscribe(peer, channel="logs")
        assert "filter" not in told(peer, bare)["channels"]["logs"]


@pytest.mark.clause("C17", "F12")
def test_another_role_brings_its_policies_at_once_and_without_a_word() -> None:
    peer = bench(developer(), tables=POLICIES)
    subscribe(peer, channel="logs", filter={"key": "a"}, ack=7)
    subscribe(peer, channel="metrics", max_rate=5)
    effects = peer.take(peer.session.identity_changed(identity(Role.VIEWER), peer.moment))
    refilter = next(effect for effect in effects if isinstance(effect, Refilter))
    (spec,) = refilter.specs  # of `metrics` both roles have the same policy
    assert (spec.channel, spec.keep, spec.ack, spec.delivery) == ("logs", True, 7, "all")
    assert spec.filter is not None
    assert spec.policy is not None
    assert (spec.filter.text, spec.policy.text) == (b'{"key":{"eq":"a"}}', b'{"tags.level":{"eq":"info"}}')
    kinds = [effect["type"] if isinstance(effect, dict) else type(effect).__name__ for effect in effects]
    assert kinds.index("Refilter") < kinds.index("welcome")
    assert "unsubscribed" not in kinds
    back = peer.take(peer.session.identity_changed(identity(Role.ADMIN), peer.moment))
    refilter = next(effect for effect in back if isinstance(effect, Refilter))
    assert [(spec.channel, spec.policy) for spec in refilter.specs] == [("logs", None), ("metrics", None)]


@pytest.mark.clause("R2", "R7", "F12", "M42")
def test_a_resume_restores_the_filter_under_the_policy_of_today() -> None:
    house = Household()
    house.tables = POLICIES
    former = house.peer(developer())
    subscribe(former, channel="logs", filter={"key": "a"})
    token = house.token(former, logs="k3Fq:7")
    house.tables = {"logs": {**POLICIES["logs"], "policies": {"developer": HOT}}}
    peer = house.peer()
    answers = resumed(peer, token)
    spec = specs_of(answers)["logs"]
    assert (spec.filter.text, spec.policy.text) == (b'{"key":{"eq":"a"}}', b'{"data.cpu":{"gte":80}}')
    (effect,) = [one for one in answers if isinstance(one, Subscribe)]
    welcome = told(peer, effect)
    assert welcome["subscriptions"]["logs"]["filter"] == {"key": "a"}
