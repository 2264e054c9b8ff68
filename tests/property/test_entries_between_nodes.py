"""What one node takes, every node takes: the rules of `channels.names` and those of the native reader are the same."""

from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels._native import Plane, SignalSystem, decode_entries, encode_entries
from channels.names import check_tags, is_event_name, is_key, is_traceparent, trace_context

TRACEPARENT = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"
TEXTS = st.text(max_size=20)
EVENTS = TEXTS | st.from_regex(r"[a-z:_.-]{0,130}", fullmatch=True)
KEYS = TEXTS | st.from_regex(r"[a-z\u0436]{120,260}", fullmatch=True)
TAGS = st.dictionaries(TEXTS | st.from_regex(r"[a-z._-]{1,66}", fullmatch=True), KEYS | st.integers(0, 9), max_size=18)
TRACES = st.from_regex(r"(00|01|ff|cc)-[0-9a-f]{32}-(0{16}|[0-9a-f]{16})-[0-9A-f]{2}(-[!-~]{0,9})?", fullmatch=True)
STATES = st.none() | TEXTS | st.from_regex(r"[ -~\t]{0,520}", fullmatch=True)


def is_taken(*, event: str = "e", key: str | None = None, tags: bytes | None = None, trace: Any = (None, None)) -> bool:
    """Whether an entry has a binary form, which then says what went into it."""
    entry = (event, b"1", key, tags, *trace)
    try:
        (packed,) = encode_entries([entry], 1.0)
    except ValueError:
        return False
    assert decode_entries(packed) == [(*entry, 1.0)]
    return True


@pytest.mark.clause("M16", "N7")
@given(EVENTS, KEYS, TAGS)
@example("a.b", "k", {"t": "x" * 257})
def test_names_that_a_node_takes_are_taken_by_all(event: str, key: str, tags: dict[str, object]) -> None:
    assert is_taken(event=event) == is_event_name(event)
    assert is_taken(key=key) == is_key(key)
    assert is_taken(tags=orjson.dumps(tags)) == (check_tags(tags) is None)


@pytest.mark.clause("M17", "N7")
@given(TRACES | TEXTS, STATES)
@example(f"cc{TRACEPARENT[2:]}-{'x' * 456}", None)
@example(f"cc{TRACEPARENT[2:]}-{'x' * 457}", None)
def test_a_trace_context_that_a_node_passes_on_is_taken_by_all(parent: str, state: str | None) -> None:
    assert is_taken(trace=(parent, None)) == is_traceparent(parent)
    assert is_taken(trace=trace_context(parent, state))
    assert not is_taken(trace=(None, "a=1"))


@pytest.mark.clause("N7", "M33")
@settings(max_examples=30)
@given(
    st.recursive(st.none() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS, st.lists, max_leaves=9),
    st.dictionaries(st.from_regex(r"[a-z._-]{1,9}", fullmatch=True), TEXTS, max_size=3),
    st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8),
)
@example([[]], {}, [0.0] * 8)
def test_what_the_signal_system_makes_is_taken_by_all(payload: Any, tags: dict[str, str], vector: list[float]) -> None:
    system, plane = SignalSystem(node='n\u2028"1'), Plane()
    system.take_batch()
    for _ in range(2):
        system.emit("a.b", vector, key="k", tags=tags, payload=orjson.dumps(payload), traceparent=TRACEPARENT)
    # As deep as a payload may be.
    system.emit("a.b", vector, payload=b"[" * 31 + b"]" * 31)
    batch = system.take_batch()
    assert batch is not None
    ours, theirs = (plane.open_log(name, seconds=1e9, max_bytes=1 << 30) for name in ("signals", "s"))
    plane.append_signals(ours, batch, 1.5)
    packed = batch.encode_entries(1.5)
    plane.begin_log(theirs, "k3Fq", 0)
    assert plane.apply_entries(theirs, "k3Fq", 1, b"".join(packed)) == len(batch)
    assert plane.read_log(ours, 0) == [
        text.replace(b'"channel":"s"', b'"channel":"signals"') for text in plane.read_log(theirs, 0)
    ]
    with pytest.raises(ValueError, match="ts"):
        batch.encode_entries(float("nan"))
    system.close()
