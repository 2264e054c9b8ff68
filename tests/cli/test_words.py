"""What arguments mean: vectors, data, tags, starts, tokens."""

import base64
import json
import time
from collections.abc import Callable

import pytest
from neurograph_ws_client import Last, Since
from neurograph_ws_client.rest import http_base
from ng_ws.arguments import above_zero, json_of, whole
from ng_ws.emit import vector_of
from ng_ws.exits import Failed
from ng_ws.listen import in_time
from ng_ws.listening import check_last, delivery_of, start_of
from ng_ws.publish import tags_of
from ng_ws.settings import Flags, resolved
from ng_ws.tokens import show

EIGHT = [0.1, 0.5, 0.3, 0.1, 0.9, 0.4, 0.3, 0.7]


@pytest.mark.parametrize("text", ["0.1,0.5,0.3,0.1,0.9,0.4,0.3,0.7", "[0.1, 0.5, 0.3, 0.1, 0.9, 0.4, 0.3, 0.7]"])
def test_eight_numbers_are_a_vector(text: str) -> None:
    assert vector_of(text) == EIGHT


@pytest.mark.parametrize("text", ["hello, world", "disk failing", "7", "a,b", "see [1,2]", "1_0,x"])
def test_anything_else_is_a_text(text: str) -> None:
    assert vector_of(text) is None


def test_seven_numbers_are_a_mistake() -> None:
    with pytest.raises(Failed, match="vector: expected 8 numbers, got 7: 1,2,3,4,5,6,7"):
        vector_of("1,2,3,4,5,6,7")
    with pytest.raises(Failed, match="vector: expected 8 numbers, got 0"):
        vector_of("[]")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0.1,0.5,0.3,1,2,3,4,nan", "vector.7: expected a finite number, got 'nan'"),
        ("[1,2,3,4,5,6,7,inf]", "vector.7: expected a finite number, got 'inf'"),
        ("1,2,x,4,5,6,7,8", "vector.2: expected a finite number, got 'x'"),
        ("1,2,3,4,5,6,7,8,", "vector.8: expected a finite number, got ''"),
        ('["a"]', "vector.0: expected a finite number, got '\"a\"'"),
        ("[true,2,3,4,5,6,7,8]", "vector.0: expected a finite number, got 'true'"),
        ("[1,2,3", "vector: expected numbers up to a closing ], got '[1,2,3'"),
    ],
)
def test_what_looks_like_numbers_is_never_read_as_a_text(text: str, told: str) -> None:
    with pytest.raises(Failed) as failure:
        vector_of(text)
    assert (failure.value.message, failure.value.hint) == (told, "next: --as-text, if it is a text")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{bad", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("hello", "Expecting value: line 1 column 1 (char 0)"),
        ("[NaN]", "NaN is no JSON number"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_must_be_json_is_refused_with_the_place_of_the_mistake(text: str, place: str) -> None:
    with pytest.raises(Failed, match=r"^--payload: expected JSON, got ") as failure:
        json_of("--payload", text)
    assert failure.value.hint.startswith(place)


def test_json_is_read_as_it_stands() -> None:
    assert json_of("--payload", '{"a":[1,"b"]}') == {"a": [1, "b"]}


@pytest.mark.parametrize(
    ("reader", "text", "told"),
    [
        (whole("-n", 1), "0", "-n: expected a whole number from 1, got 0"),
        (whole("-n", 1), "x", "-n: expected a whole number from 1, got 'x'"),
        (whole("--priority", 0, 255), "256", "--priority: expected 0 to 255, got 256"),
        (above_zero("--timeout", "seconds"), "nan", "--timeout: expected seconds above 0, got 'nan'"),
        (above_zero("--timeout", "seconds"), "x", "--timeout: expected seconds above 0, got 'x'"),
    ],
)
def test_a_wrong_number_is_told_with_its_option(reader: Callable[[str], float], text: str, told: str) -> None:
    with pytest.raises(Failed) as failure:
        reader(text)
    assert failure.value.message == told


def test_right_numbers_are_read() -> None:
    assert [whole("-n", 1)("3"), whole("-p", 0, 255)("255"), above_zero("-t", "s")("0.5")] == [3, 255, 0.5]


def test_tags_are_names_with_values() -> None:
    assert tags_of(["env=prod", "q=a=b", "e="]) == {"env": "prod", "q": "a=b", "e": ""}
    with pytest.raises(Failed, match="--tag: expected NAME=VALUE, got 'env'"):
        tags_of(["env"])


@pytest.mark.clause("M24")
def test_no_more_is_asked_for_than_the_hub_replays() -> None:
    for start in (None, "new", Last(100)):
        check_last(start, 100)
    with pytest.raises(Failed, match="--from: expected last:1 to last:100 at this hub, got 'last:101'"):
        check_last(Last(101), 100)


def test_no_time_is_no_number() -> None:
    assert [in_time(wait) for wait in (0.0, 0.04, 0.05, 4.12)] == ["now", "now", "in 0.1 s", "in 4.1 s"]


def test_where_and_how_to_listen() -> None:
    assert [start_of(text) for text in (None, "new", "snapshot", "last:5")] == [None, "new", "snapshot", Last(5)]
    assert start_of("k3Fq:902") == "k3Fq:902"
    since = start_of("since:10m")
    assert isinstance(since, Since)
    assert abs(time.time() - 600 - since.ts) < 5
    assert start_of("since:2026-11-28T23:26:00Z") == Since(1795908360.0)
    with pytest.raises(
        Failed, match=r"--from: expected new, .*since:10m, since:2026-11-28T23:26:00 or a position like"
    ):
        start_of("last:0")
    with pytest.raises(Failed, match="--from: expected one channel with a position, each has its own"):
        start_of("k3Fq:902", channels=2)
    assert [delivery_of(text) for text in (None, "all", "latest")] == [None, "all", "latest"]
    with pytest.raises(Failed, match="--delivery: expected all or latest, got 'some'"):
        delivery_of("some")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("ws://localhost:8000/ws", "http://localhost:8000"),
        ("wss://hub.example/deep/ws?token=x", "https://hub.example"),
        ("ws://ann:pass@hub.example:1/ws", "http://hub.example:1"),
    ],
)
def test_the_rest_interface_stands_at_the_root_of_the_same_host(url: str, base: str) -> None:
    assert http_base(url) == base


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_is_read_without_being_trusted(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    token = f"{part({'alg': 'HS256'})}.{part({'sub': 'ann', 'role': 'bot', 'exp': 10})}.xx"
    show(resolved(Flags(), {}), token)
    out, err = capfdbinary.readouterr()
    assert json.loads(out) == {"header": {"alg": "HS256"}, "claims": {"sub": "ann", "role": "bot", "exp": 10}}
    assert err == b"ng-ws: not verified: ng-ws token check asks the hub\n"


@pytest.mark.parametrize("token", ["ngk_abcdef", "a.b", "!!.!!.x", f"{part([1])}.{part([2])}.x"])
def test_what_is_no_token_is_told_without_showing_it(token: str) -> None:
    with pytest.raises(Failed) as failure:
        show(resolved(Flags(), {}), token)
    assert token not in failure.value.message
