"""Whatever Python hands to the SignalSystem is taken or refused by an exception, and the system goes on."""

import array
import math
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels import SignalOverloaded, SignalSystem
from channels._native import Filter

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -0.0, 1e300, -3e38, 5e-324, math.nan, math.inf, 255, 256, 2**53, 10**400]),
)
VECTORS = st.one_of(
    st.lists(NUMBERS, max_size=10),
    st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=8),
    st.lists(st.floats(-1, 1, width=32), max_size=40).map(lambda row: array.array("f", row)),
    st.binary(max_size=80),
    st.binary(max_size=80).map(lambda raw: memoryview(raw)[::2]),
)
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(["a", "signal.input.text", "\ud800", "a..b", "x" * 70_000]))
BALL = {"data.vector": {"near": {"center": [0.5] * 8, "radius": 0.1}}}
ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        NUMBERS,
        TEXTS,
        VECTORS,
        st.just(object()),
        st.just(int),
        st.just(BALL),
        st.just(Filter(b'{"event":"a"}')),
        st.just(range(3)),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
METHODS = sorted(name for name in dir(SignalSystem) if not name.startswith("_") and name != "close")
NAMES = [
    "vector",
    "priority",
    "key",
    "tags",
    "payload",
    "traceparent",
    "publish",
    "keys",
    "priorities",
    "vectors",
    "n",
    "index",
    "weight",
    "event_type",
    "limit",
    "before",
    "filter",
    "kind",
    "pull_strength",
    "k",
    "radius",
    "scope",
    "queue",
    "callback",
    "max_events",
]


def call(system: SignalSystem, name: str, arguments: list[Any], options: dict[str, Any]) -> None:
    """Refusals are exceptions of these kinds; a system that broke, or a panic, is none of them."""
    method = getattr(system, name)
    with suppress(TypeError, ValueError, KeyError, OverflowError, BufferError, SignalOverloaded):
        method(*arguments, **options)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(METHODS),
            st.lists(ANYTHING, max_size=4),
            st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=3),
        ),
        max_size=6,
    )
)
def test_whatever_is_handed_over_is_taken_or_refused(calls: list[tuple[str, list[Any], dict[str, Any]]]) -> None:
    system = SignalSystem(capacity=1_024, queue_size=65_536)
    for name, arguments, options in calls:
        call(system, name, arguments, options)
    assert system.emit("after", [0.5] * 8).token_id >= 1
    assert system.get_stats().emits >= 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(TEXTS, VECTORS, NUMBERS, st.none() | TEXTS, ANYTHING, ANYTHING, st.none() | TEXTS, st.none() | TEXTS)
    )
)
def test_whatever_many_emitters_send_each_is_answered_for_itself(items: list[Any]) -> None:
    system = SignalSystem(capacity=1_024)
    try:
        answers = system.emit_many(items)
    except (TypeError, ValueError, OverflowError):
        answers = None
    assert answers is None or len(answers) == len(items)
    assert system.emit("after", [0.5] * 8).token_id >= 1
