"""How arguments reach the SignalSystem: in whatever form a call has, it means the same (signals.md 2)."""

import ctypes
import inspect
import sys
import time
import weakref
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from channels import SignalOverloaded, SignalSystem, SignalValueError

NAMES = "event_type vector priority"
VECTOR = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


class Floats(list[float]):
    """What the interpreter does not take for a list of its own."""


def made(system: SignalSystem, token_id: int) -> tuple[str, list[float], int]:
    token = system.get_token(token_id)
    assert token is not None
    return (token.event_type, list(token.vector), token.priority)


@pytest.mark.parametrize(
    "call",
    [
        lambda emit: emit("a.b", VECTOR, 7),
        lambda emit: emit("a.b", VECTOR, priority=7),
        lambda emit: emit("a.b", priority=7, vector=VECTOR),
        lambda emit: emit(priority=7, vector=VECTOR, event_type="a.b"),
        lambda emit: emit("a.b", VECTOR, 7, key=None, tags=None, payload=None, traceparent=None, publish=None),
        # Names that the interpreter has not interned.
        lambda emit: emit(**dict(zip(NAMES.split(), ("a.b", VECTOR, 7), strict=True))),
        lambda emit: emit("a.b", Floats(VECTOR), 7),
        lambda emit: emit("a.b", [*VECTOR[:7], type("Number", (float,), {})(0.8)], 7),
        lambda emit: emit(type("Name", (str,), {})("a.b"), VECTOR, 7),
    ],
)
def test_arguments_mean_the_same_by_place_and_by_name(call: Callable[[Any], Any]) -> None:
    system = SignalSystem()
    assert made(system, call(system.emit).token_id) == ("a.b", VECTOR, 7)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((), {}, r"missing 2 required positional arguments: 'event_type' and 'vector'"),
        (("a",), {}, r"missing 1 required positional argument: 'vector'"),
        (("a", VECTOR, 1, "key"), {}, r"takes (from 2 to )?3 positional arguments but 4 were given"),
        (("a", VECTOR), {"vector": VECTOR}, "multiple values for argument 'vector'"),
        (("a", VECTOR), {"colour": 1}, "unexpected keyword argument 'colour'"),
        (("a", VECTOR), {"priority": None}, "while processing 'priority'"),
        (("a", VECTOR), {"key": b"k"}, "while processing 'key'"),
        (("a", VECTOR), {"publish": "no"}, "while processing 'publish'"),
        ((b"a", VECTOR), {}, "while processing 'event_type'"),
    ],
)
def test_a_call_that_is_wrong_says_what_is_wrong(
    arguments: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    system = SignalSystem()
    with pytest.raises(TypeError, match=message):
        system.emit(*arguments, **named)
    assert system.count_tokens() == 0


def test_the_parameters_of_an_emit_can_be_looked_up() -> None:
    parameters = inspect.signature(SignalSystem.emit).parameters
    names = ["self", "event_type", "vector", "priority", "key", "tags", "payload", "traceparent", "publish"]
    assert list(parameters) == names
    assert parameters["priority"].default == 128


@pytest.mark.parametrize("kind", [ctypes.c_float, ctypes.c_double])
def test_floats_in_the_order_of_another_machine_are_not_taken_for_its_own(kind: Any) -> None:
    system = SignalSystem()
    own, foreign = (kind.__ctype_le__, kind.__ctype_be__)[:: 1 if sys.byteorder == "little" else -1]
    assert made(system, system.emit("a", (own * 8)(*VECTOR)).token_id) == ("a", VECTOR, 128)
    with pytest.raises(TypeError):
        system.emit("a", (foreign * 8)(*VECTOR))


def test_a_list_that_changes_while_it_is_read_is_taken_as_it_is_or_refused() -> None:
    class Number:
        def __float__(self) -> float:
            vector.clear()
            return 0.5

    vector: list[Any] = [Number(), *VECTOR[1:]]
    system = SignalSystem()
    with pytest.raises(SignalValueError, match="vector must have 8 dimensions, got 1"):
        system.emit("a", vector)


def test_a_token_has_the_time_of_the_wall_clock() -> None:
    system = SignalSystem()
    for _ in range(3):
        before = time.time()
        token = system.get_token(system.emit("a", VECTOR).token_id)
        assert token is not None
        # A step of the wall clock is followed within a millisecond.
        assert before - 0.002 <= token.created <= time.time() + 0.002


def item(vector: Any = VECTOR, event_type: str = "a.b", priority: int = 7) -> Any:
    return (event_type, vector, priority, None, None, None, None, None)


def test_each_of_many_signals_is_answered_for_itself() -> None:
    system = SignalSystem()
    wrong = [item([0.5] * 7), item(priority=256), item(event_type="no spaces")]
    outcomes, done, novel = system.emit_each([item(), *wrong, item(), item(tuple(VECTOR))])
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert kinds == ["EmitResult", *["SignalValueError"] * 3, "EmitResult", "EmitResult"]
    assert (done, novel, system.count_tokens()) == (3, 1, 3)
    assert made(system, 3) == ("a.b", VECTOR, 7)
    with pytest.raises(TypeError):
        system.emit_each([item(), item("no vector")])
    assert system.count_tokens() == 3
    assert system.emit_each([]) == ([], 0, 0)


@pytest.mark.clause("M34")
def test_each_signal_that_finds_no_room_is_refused_alone() -> None:
    system = SignalSystem(queue_size=64)
    system.take_batch()
    outcomes, done, _ = system.emit_each([item()] * 66)
    assert (done, [type(outcome) for outcome in outcomes[63:]][1:]) == (64, [SignalOverloaded] * 2)


def test_what_a_number_raises_is_told_and_it_is_asked_once() -> None:
    asked = []

    class Number:
        def __index__(self) -> int:
            asked.append(self)
            raise KeyboardInterrupt

    system = SignalSystem()
    with pytest.raises(KeyboardInterrupt):
        system.emit("a.b", VECTOR, Number())  # type: ignore[arg-type]
    assert (len(asked), system.count_tokens()) == (1, 0)


def test_what_a_refused_call_was_given_is_let_go_at_once() -> None:
    class Thing:
        pass

    system = SignalSystem()
    kept = []
    for _ in range(3):
        thing = Thing()
        kept.append(weakref.ref(thing))
        with pytest.raises((TypeError, SignalValueError)):
            system.emit("a.b", VECTOR, tags=MappingProxyType({"a": thing}))  # type: ignore[dict-item]
        result = system.emit("a.b", VECTOR)
        with pytest.raises(TypeError):
            result[thing]  # type: ignore[index]
        del thing
    assert [one() for one in kept] == [None, None, None]
