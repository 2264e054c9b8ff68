"""What arguments mean: vectors, data, tags, starts, tokens."""

import base64
import json
from typing import Any

import pytest
from neurograph_ws_client import Last
from ng_ws.emit import vector_of
from ng_ws.exits import Failed
from ng_ws.listen import delivery_of, start_of
from ng_ws.publish import tags_of, value_of
from ng_ws.rest import http_base
from ng_ws.settings import Flags, resolved
from ng_ws.tokens import show

EIGHT = [0.1, 0.5, 0.3, 0.1, 0.9, 0.4, 0.3, 0.7]


@pytest.mark.parametrize("text", ["0.1,0.5,0.3,0.1,0.9,0.4,0.3,0.7", "[0.1, 0.5, 0.3, 0.1, 0.9, 0.4, 0.3, 0.7]"])
def test_eight_numbers_are_a_vector(text: str) -> None:
    assert vector_of(text) == EIGHT


@pytest.mark.parametrize("text", ["hello, world", "disk failing", "[not json", "7", '["a"]', "a,b"])
def test_anything_else_is_a_text(text: str) -> None:
    assert vector_of(text) is None


def test_seven_numbers_are_a_mistake() -> None:
    with pytest.raises(Failed, match="vector: expected 8 numbers, got 7: 1,2,3,4,5,6,7"):
        vector_of("1,2,3,4,5,6,7")


@pytest.mark.parametrize(
    ("text", "value"), [(None, None), ('{"a":1}', {"a": 1}), ("3", 3), ("hello", "hello"), ('"3"', "3"), ("", "")]
)
def test_data_is_json_where_it_is_json_and_text_where_it_is_not(text: str | None, value: Any) -> None:
    assert value_of(text) == value


def test_tags_are_names_with_values() -> None:
    assert tags_of(["env=prod", "q=a=b", "e="]) == {"env": "prod", "q": "a=b", "e": ""}
    with pytest.raises(Failed, match="--tag: expected NAME=VALUE, got 'env'"):
        tags_of(["env"])


def test_where_and_how_to_listen() -> None:
    assert [start_of(text) for text in (None, "new", "snapshot", "last:5")] == [None, "new", "snapshot", Last(5)]
    with pytest.raises(Failed, match="--from: expected new, snapshot or last:N, got 'last:0'"):
        start_of("last:0")
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
