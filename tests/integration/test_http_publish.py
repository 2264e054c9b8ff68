"""`POST /api/v1/publish`: one event or many, by the protocol's own rules (C10, H10; hardening.md ms2-ms8)."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from channels.buckets import Rate
from channels.permissions import DEFAULT_RIGHTS, Right, Role
from tests.support.hub import RunningHub
from tests.support.rest import Answer, Rest
from tests.support.ws import Peer

PATH = "/api/v1/publish"


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    channels = {
        "room:*": {"subscribe": ["viewer"], "broadcast": ["developer"], "publish_rate": "3/0.001"},
        "small": {"broadcast": ["admin"], "subscribe": ["admin"], "max_message": "1KiB"},
    }
    wide = Rate(10_000, 1_000)
    with RunningHub(channels=channels, rate_publish=wide, log_rate=wide) as running:
        yield running


@pytest.fixture(scope="module")
def admin(hub: RunningHub) -> Iterator[Rest]:
    with Rest(hub, "admin") as rest:
        yield rest


def newest(rest: Rest, channel: str, count: int = 1) -> list[Any]:
    events = rest.get(f"/api/v1/channels/{channel}").data["events"]
    return [event for event in events if not event["event"].startswith("admin.")][-count:]


@pytest.mark.accept("H10")
@pytest.mark.clause("M30")
def test_an_event_is_stored_and_its_position_told(admin: Rest) -> None:
    body = {"channel": "status", "event": "deploy.started", "data": {"a": [1]}, "key": "api", "tags": {"env": "prod"}}
    answer = admin.post(PATH, body)
    (event,) = newest(admin, "status")
    assert answer.data == {
        "channel": "status",
        "position": f"{answer.data['position'].split(':')[0]}:{event['offset']}",
    }
    assert (event["event"], event["data"], event["key"]) == ("deploy.started", {"a": [1]}, "api")
    assert event["tags"] == {"env": "prod"}


@pytest.mark.clause("M29")
def test_what_is_not_utf_8_is_not_stored(admin: Rest) -> None:
    before = newest(admin, "actions")
    for body in (
        b'{"channel":"actions","event":"e","data":"a\xffb"}',
        b'{"channel":"actions","event":"e","key":"\xff"}',
    ):
        assert admin.post(PATH, body).refusal == (400, "bad_json")
    assert newest(admin, "actions") == before


def test_absent_data_is_null(admin: Rest) -> None:
    admin.post(PATH, {"channel": "status", "event": "x.y", "key": "absent"})
    assert newest(admin, "status")[0]["data"] is None


@pytest.mark.accept("C10")
@pytest.mark.clause("C19")
@pytest.mark.parametrize(("channel", "role"), list(product(DEFAULT_RIGHTS, Role)))
def test_every_cell_of_the_table_holds_for_broadcast_over_rest(hub: RunningHub, channel: str, role: Role) -> None:
    with Rest(hub, None if role is Role.ANONYMOUS else role) as rest:
        answer = rest.post(PATH, {"channel": channel, "event": "cell.test"})
    may = Right.BROADCAST in DEFAULT_RIGHTS[channel][role]
    refused = 401 if role is Role.ANONYMOUS else 403
    assert answer.status == (200 if may else refused)


@pytest.mark.accept("H10")
def test_of_many_events_each_succeeds_or_fails_alone_and_in_order(admin: Rest) -> None:
    answer = admin.post(
        PATH,
        [
            {"channel": "status", "event": "bulk.1"},
            {"channel": "nowhere", "event": "bulk.2"},
            {"channel": "status"},
            {"channel": "status", "event": "bulk.4"},
        ],
    )
    results = answer.data["results"]
    assert answer.data["stored"] == 2
    assert [result.get("error", {}).get("error") for result in results] == [
        None,
        "unknown_channel",
        "bad_message",
        None,
    ]
    offsets = [int(results[index]["position"].split(":")[1]) for index in (0, 3)]
    assert offsets == sorted(offsets)
    assert [event["event"] for event in newest(admin, "status", 2)] == ["bulk.1", "bulk.4"]


@pytest.mark.clause("L12")
@pytest.mark.parametrize("count", [0, 257])
def test_an_array_holds_1_to_256_events(admin: Rest, count: int) -> None:
    answer = admin.post(PATH, [{"channel": "status", "event": "x"}] * count)
    assert answer.status == 400


@pytest.mark.clause("M31")
def test_a_repeat_with_the_same_mid_is_stored_once(admin: Rest) -> None:
    body = {"channel": "status", "event": "once", "data": {"n": 1}, "mid": "m-1"}
    first, second = admin.post(PATH, body), admin.post(PATH, body)
    assert second.data == {**first.data, "duplicate": True}
    assert admin.post(PATH, {**body, "data": {"n": 2}}).refusal == (409, "mid_conflict")


@pytest.mark.clause("E2")
def test_what_is_refused_repeats_its_channel_and_its_mid(admin: Rest) -> None:
    for change, error in (
        ({"channel": "nowhere"}, "unknown_channel"),
        ({"event": "a..b"}, "bad_message"),
        ({"tags": {"a b": "c"}}, "bad_message"),
    ):
        body = {"channel": "status", "event": "once", "mid": "m-2", **change}
        single, (several,) = admin.post(PATH, body).error, admin.post(PATH, [body]).data["results"]
        assert (single["error"], single["channel"], single["mid"]) == (error, body["channel"], "m-2")
        assert several["error"] == single


@pytest.mark.clause("E5")
def test_a_channel_that_is_not_there_is_404_and_one_without_a_right_403(hub: RunningHub) -> None:
    with Rest(hub, "viewer") as rest:
        assert rest.post(PATH, {"channel": "nowhere", "event": "x"}).refusal == (404, "unknown_channel")
        assert rest.post(PATH, {"channel": "room:1", "event": "x"}).refusal == (403, "forbidden")


def path_of(answer: Answer) -> tuple[int, str, str | None]:
    return (*answer.refusal, answer.error.get("path"))


@pytest.mark.parametrize(
    ("change", "error", "path"),
    [
        ({"channel": "a b"}, "bad_message", "channel"),
        ({"channel": None}, "bad_message", "channel"),
        ({"channel": "x" * 65}, "bad_message", "channel"),
        ({"channel": "../etc"}, "unknown_channel", None),
        ({"channel": "*"}, "bad_message", "channel"),
        ({"event": ""}, "bad_message", "event"),
        ({"event": "a..b"}, "bad_message", "event"),
        ({"key": "a\u0000b"}, "bad_message", "key"),
        ({"key": 7}, "bad_message", "key"),
        ({"tags": {"a b": "x"}}, "bad_message", "tags.a b"),
        ({"tags": {"a": 1}}, "bad_message", "tags.a"),
        ({"mid": "a b"}, "bad_message", "mid"),
        ({"content_type": "image/png"}, "bad_message", "content_type"),
        ({"type": "subscribe"}, "bad_message", "type"),
    ],
)
def test_a_member_that_is_wrong_is_named(admin: Rest, change: dict[str, Any], error: str, path: str | None) -> None:
    answer = admin.post(PATH, {"channel": "status", "event": "x", **change})
    assert answer.error["error"] == error
    assert answer.error.get("path") == path


@pytest.mark.clause("M10", "M11", "M13")
@pytest.mark.parametrize(
    "data",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b'"\\ud800"',
        b"18446744073709551616",
        b"[" * 40 + b"]" * 40,
        b"01",
        b'"a',
        b"{",
    ],
)
def test_ms2_to_ms6_json_that_would_hurt_others_is_refused(admin: Rest, data: bytes) -> None:
    body = b'{"channel":"status","event":"x","data":' + data + b"}"
    assert admin.post(PATH, body).refusal == (400, "bad_json")


@pytest.mark.clause("M11")
def test_ms7_duplicate_keys_are_refused_outside_data(admin: Rest) -> None:
    assert admin.post(PATH, b'{"channel":"status","event":"x","event":"y"}').refusal == (400, "bad_json")
    assert admin.post(PATH, b'{"channel":"status","event":"x","data":{"a":1,"a":2}}').status == 200


@pytest.mark.clause("M13")
def test_ms4_integers_of_data_pass_digit_by_digit(admin: Rest) -> None:
    admin.post(PATH, b'{"channel":"status","event":"big","key":"big","data":{"n":18446744073709551615,"f":1.10}}')
    text = admin.http.get("/api/v1/channels/status").text
    assert '{"n":18446744073709551615,"f":1.10}' in text


@pytest.mark.parametrize("body", [b"", b"null", b"7", b'"x"', b"[]", b"\xef\xbb\xbf{}", b"\xff\xfe"])
def test_ms1_what_is_no_message_is_refused(admin: Rest, body: bytes) -> None:
    assert admin.post(PATH, body).status == 400


@pytest.mark.clause("L7")
def test_a_channel_has_a_limit_of_its_own(admin: Rest) -> None:
    answer = admin.post(PATH, {"channel": "small", "event": "x", "data": "y" * 1_024})
    assert answer.refusal == (413, "too_large")
    assert answer.error["limit"] == 1_024


@pytest.mark.clause("C20", "L22")
def test_a_channel_may_have_a_rate_of_its_own(hub: RunningHub) -> None:
    with Rest(hub, "developer") as rest:
        answers = [rest.post(PATH, {"channel": "room:1", "event": "x"}) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].error["retry_after"] > 0
    assert int(answers[3].headers["retry-after"]) >= answers[3].error["retry_after"]


@pytest.mark.clause("L24")
@pytest.mark.accept("D4")
def test_a_subject_has_one_bucket_however_many_connections_it_makes() -> None:
    with RunningHub(rate_publish=Rate(1, 0.001)) as hub:
        statuses = []
        for _ in range(11):
            with Rest(hub, "admin") as rest:
                statuses.append(rest.post(PATH, {"channel": "status", "event": "x"}).status)
    assert statuses == [200] * 10 + [429]


@pytest.mark.accept("C13")
@pytest.mark.clause("C21")
def test_what_an_administrator_publishes_stands_in_actions_and_in_the_audit(hub: RunningHub, admin: Rest) -> None:
    position = admin.post(PATH, {"channel": "status", "event": "audited"}).data["position"]
    told = admin.get("/api/v1/channels/actions").data["events"][-1]
    assert (told["event"], told["key"], told["data"]["position"]) == ("admin.publish", "admin.publish", position)
    audited = [
        event for event in admin.get("/api/v1/channels/logs").data["events"] if event["event"] == "admin.publish"
    ]
    assert audited[-1]["data"]["audit"] is True


@pytest.mark.accept("C13")
@pytest.mark.clause("C21")
def test_a_publish_over_a_socket_is_told_as_one_over_rest_and_one_to_actions_stands_there_once(
    hub: RunningHub, admin: Rest
) -> None:
    with Peer(hub, "admin") as peer:
        over_socket = peer.ask(type="publish", channel="status", event="by.socket")["positions"]["status"]
        peer.ask(type="publish", channel="actions", event="socket.itself")
    over_rest = admin.post(PATH, {"channel": "status", "event": "by.rest"}).data["position"]
    admin.post(PATH, {"channel": "actions", "event": "rest.itself"})
    told = admin.get("/api/v1/channels/actions").data["events"][-4:]
    assert [(event["event"], (event["data"] or {}).get("position")) for event in told] == [
        ("admin.publish", over_socket),
        ("socket.itself", None),
        ("admin.publish", over_rest),
        ("rest.itself", None),
    ]


TRACEPARENT = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"


@pytest.mark.accept("G7")
@pytest.mark.clause("M17")
@pytest.mark.parametrize(
    ("header", "member", "expected"),
    [
        (TRACEPARENT, None, TRACEPARENT),
        ("00-nonsense", None, None),
        ("00-nonsense", TRACEPARENT, TRACEPARENT),
        (TRACEPARENT, "00-nonsense", None),
    ],
)
def test_the_trace_of_the_request_or_of_the_message_reaches_subscribers(
    admin: Rest, header: str, member: str | None, expected: str | None
) -> None:
    body = {"channel": "status", "event": "traced", "key": "traced", "traceparent": member}
    admin.post(PATH, body, headers={"traceparent": header, "tracestate": "vendor=1"})
    assert newest(admin, "status")[0].get("traceparent") == expected
