"""hub/http/bodies.py, rates.py: what a body may be, and what a publish costs."""

import pytest
from starlette.requests import Request

from channels.buckets import Rate, SubjectBuckets
from channels.channel import ChannelConfig
from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity
from hub.counters import Counters
from hub.http.bodies import decode, is_array, read_body, scan
from hub.http.rates import PublishRates, owner_of
from hub.protocol.errors import Refusal
from hub.protocol.messages import Publish


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        (b'{"channel":"a","event":7}', "event", "event: expected text, came 7"),
        (b'{"channel":"a"}', "event", "event: expected text, it is missing"),
        (b'{"channel":"a","event":"b","tags":{"w":"","x":1}}', "tags.x", "tags.x: expected text, came 1"),
        (b"null", None, "expected an object, came null"),
        (b'{"type":"ping","channel":"a","event":"b"}', "type", "type: expected publish, came 'ping'"),
    ],
)
@pytest.mark.clause("E2")
def test_a_body_that_is_wrong_is_told_its_place_what_was_expected_and_what_came(
    body: bytes, path: str | None, message: str
) -> None:
    with pytest.raises(Refusal) as caught:
        decode(body, Publish)
    assert (caught.value.error, caught.value.path, caught.value.message) == ("bad_message", path, message)


@pytest.mark.clause("M10")
@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xe2\x82"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"channel":"a","event":"b","data":"%b"}',
        b'{"channel":"a","event":"b","data":{"%b":1}}',
        b'{"channel":"a","event":"b","key":"%b"}',
        b'{"channel":"a","event":"b","more":"%b"}',
        b'[{"channel":"a","event":"b","tags":{"t":"%b"}}]',
    ],
)
def test_a_body_that_is_not_utf_8_is_bad_json(body: bytes, bad: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        scan(body % bad)
    assert caught.value.error == "bad_json"
    assert "expected UTF-8" in caught.value.message


def test_a_body_that_is_no_json_is_bad_json() -> None:
    with pytest.raises(Refusal) as caught:
        decode(b"{", Publish)
    assert caught.value.error == "bad_json"


async def test_a_body_over_the_limit_is_told_the_length_it_declared() -> None:
    request = Request({"type": "http", "method": "POST", "headers": [(b"content-length", b"1025")]})
    with pytest.raises(Refusal) as caught:
        await read_body(request, 1_024, 1.0)
    assert caught.value.message == "expected a body of at most 1024 bytes, came Content-Length 1025"


def test_data_stays_the_bytes_it_was() -> None:
    message = decode(b'{"channel":"a","event":"b","data":{"n":1.10, "x": 18446744073709551615}}', Publish)
    assert bytes(message.data) == b'{"n":1.10, "x": 18446744073709551615}'


@pytest.mark.parametrize(("body", "expected"), [(b"[1]", True), (b" \r\n\t[", True), (b"{}", False), (b"", False)])
def test_an_array_is_known_by_its_first_character(body: bytes, expected: bool) -> None:
    assert is_array(body) is expected


def test_who_pays_is_the_subject_or_the_anonymous_address() -> None:
    assert owner_of(Identity("ann", Role.BOT), "192.0.2.1") == "ann"
    assert owner_of(ANONYMOUS, "2001:db8::1") == owner_of(ANONYMOUS, "2001:db8::2") == "\x002001:db8::/64"


@pytest.mark.clause("L22", "L24")
def test_a_publish_is_charged_to_the_subject_or_to_the_channels_own_rate() -> None:
    counters = Counters()
    rates = PublishRates(SubjectBuckets({"publish": Rate(1, 0.5)}), counters)
    own = ChannelConfig("room:*", publish_rate=Rate(2, 1))
    rates.pay_publish("ann", None, 0.0)
    for _ in range(2):
        rates.pay_publish("ann", own, 0.0)
    for config, wait in ((None, 2.0), (own, 1.0)):
        with pytest.raises(Refusal) as caught:
            rates.pay_publish("ann", config, 0.0)
        assert (caught.value.error, caught.value.retry_after) == ("rate_limited", wait)
    rates.pay_publish("bob", None, 0.0)
    assert counters.values["rate_limited"] == {("publish",): 2}


def test_what_can_never_be_paid_is_refused_with_a_finite_time() -> None:
    rates = PublishRates(SubjectBuckets({"emit": Rate(5, 1)}), Counters())
    with pytest.raises(Refusal) as caught:
        rates.pay("ann", "emit", 6, 0.0)
    assert caught.value.retry_after == 86_400.0
