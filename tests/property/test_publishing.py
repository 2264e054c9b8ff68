"""Whatever a publisher says in one breath: answers, entries and counts are those of each message come alone."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.buckets import DEFAULT_RATES, Rate
from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity
from tests.support.burst import Burst, split_runs, without_epochs
from tests.support.node import Node

TABLES: dict[str, Any] = {
    "room:*": {"subscribe": ["viewer"], "broadcast": ["admin", "viewer", "anonymous"], "presence": True},
    "slow": {"broadcast": ["admin", "viewer"], "publish_rate": "3/1"},
    "quiet": {"subscribe": ["admin"], "broadcast": ["admin"], "trace": False},
    "small": {"subscribe": ["admin"], "broadcast": ["admin", "viewer"], "max_message": "1KiB"},
}
CHANNELS = ["actions", "metrics", "room:1", "room:1/presence", "slow", "quiet", "small"]
PEOPLE = {"root": Identity("root", Role.ADMIN), "vic": Identity("vic", Role.VIEWER), "nobody": ANONYMOUS}
PASSED_OVER = (b'{"type":"welcome"', b'{"type":"emitted"', b'{"type":"event"', b'{"type":"ack","positions"')
"""What names a connection or a time, and what comes when the socket takes it."""
TRACE = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"

TEXTS = st.text(max_size=6) | st.sampled_from(["\x7f", "\u2028", "😀", "a/b", 'q"\\', "x" * 257])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
IDS = st.integers(0, 3) | st.sampled_from(
    [2**53 - 1, "1", "é", 'a"b\\', "\t", "x" * 64, "x" * 65, "", -1, 1.0, True, None]
)
TAGS = st.dictionaries(st.sampled_from(["a", "b.c", "d e", ""]), TEXTS | st.just(1), max_size=3)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "id": IDS,
    "data": VALUES | st.just("x" * 1_100),
    "key": TEXTS | st.sampled_from(["k", "ключ", "\x85"]) | st.none() | st.just(7),
    "tags": TAGS | st.none() | st.just([]),
    "mid": st.sampled_from(["m1", "m2", None, "m 3"]),
    "traceparent": st.sampled_from([TRACE, "00-1", None, 1]),
    "tracestate": st.sampled_from(["a=1", "", "\t", "ä", None]),
    "meta": st.sampled_from([None, {}]),
    "content_type": st.sampled_from([None, "text/plain"]),
    "payload": VALUES,
    "more": VALUES,
}
PLAIN = st.fixed_dictionaries(
    {"type": st.just("publish"), "channel": st.sampled_from(CHANNELS[:3]), "event": st.just("e")},
    optional={"id": st.integers(0, 99), "data": VALUES},
)
ANY_PUBLISH = st.fixed_dictionaries(
    {
        "type": st.just("publish"),
        "channel": st.sampled_from([*CHANNELS, "nowhere", "bad name", None]),
        "event": st.sampled_from(["e", "a.b", "a..b", "x" * 129, ".".join("a" * 17), 1]),
    },
    optional=OPTIONAL,
)
OTHERS = st.sampled_from(
    [
        {"type": "ping", "id": 1},
        {"type": "?"},
        {"type": "subscribe", "channel": "slow", "id": 2},
        {"type": "emit", "event_type": "e", "vector": [0.5] * 8, "mid": "m1"},
        {"type": "publish"},
        [],
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A message as text: spelled in one of several ways, sometimes broken."""
    said = draw(st.one_of(PLAIN, PLAIN, ANY_PUBLISH, OTHERS))
    if isinstance(said, dict) and draw(st.booleans()):
        said = dict(draw(st.permutations(list(said.items()))))
    option = draw(st.sampled_from([0, orjson.OPT_INDENT_2]))
    text = orjson.dumps(said, option=option)
    match draw(st.integers(0, 14)):
        case 0:
            return text[: draw(st.integers(1, len(text)))]
        case 1:
            return text.replace(b'"e"', b'"\\u0065"')
        case 2:
            return text.replace(b'"id"', b'"i\\u0064"')
        case 3:
            return text[:-1] + b',"data":1e999}'
        case 4:
            return b" " + text + b"\n"
        case _:
            return text


@dataclass
class Breath:
    """What is said at once, and what happens before it."""

    said: list[bytes]
    pause: float
    role: Role | None


BREATHS = st.lists(
    st.builds(
        Breath,
        st.lists(texts(), min_size=1, max_size=24),
        st.sampled_from([0.0, 0.05, 0.3, 10.0]),
        st.none() | st.none() | st.sampled_from([Role.ADMIN, Role.VIEWER]),
    ),
    min_size=1,
    max_size=4,
)


@dataclass
class Seen:
    """What can be seen of a node from outside."""

    answers: list[list[bytes]] = field(default_factory=list)
    closed: int | None = None
    entries: dict[str, list[bytes]] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    in_flight: set[Any] = field(default_factory=set)
    stored: dict[str, int] = field(default_factory=dict)
    taken: int = 0
    """Publishes that an I/O thread took by itself."""


async def run(breaths: list[Breath], who: str, *, singly: bool, direct: bool = False, refill: float = 10) -> Seen:
    seen = Seen()
    rates = {**DEFAULT_RATES, "publish": Rate(20, refill)}
    tables = TABLES | {"slow": TABLES["slow"] | {"publish_rate": f"3/{refill / 10}"}}
    async with Node(tables, rates=rates, smallest_limit=1_024, direct=direct) as node:
        if singly:
            split_runs(node)
        async with Burst(node, PEOPLE[who], "ng-ws.v1.json") as peer:
            for breath in breaths:
                node.now += breath.pause
                node.wall += breath.pause
                if breath.role is not None and peer.closed is None:
                    node.connections.change_role(peer.connection.session.conn, breath.role)
                if peer.closed is None:
                    answers = await peer.ask(*breath.said)
                    seen.answers.append([without_epochs(one) for one in answers if not one.startswith(PASSED_OVER)])
            seen.closed = peer.closed
            seen.in_flight = set(peer.connection.session.in_flight)
        for channel in ("actions", "metrics", "room:1", "room:2", "slow", "quiet", "small"):
            seen.entries[channel] = node.broker.history(channel, limit=1_000)
        node.connections.grants.count()
        names = ("messages_sent", "messages_received", "errors", "rate_limited")
        seen.counts = {name: dict(node.counters.values[name]) for name in names}
        seen.taken = node.plane.direct_counts()[0]
        seen.stored = node.broker.backplane.statistics()
    return seen


@pytest.mark.clause("C14", "M4", "M5", "M6", "M16", "M17", "M30", "M31", "L22", "L23", "E2", "E6")
@settings(max_examples=80, deadline=None)
@given(BREATHS, st.sampled_from(sorted(PEOPLE)))
def test_what_comes_together_is_answered_as_if_each_came_alone(breaths: list[Breath], who: str) -> None:
    together = asyncio.run(run(breaths, who, singly=False))
    alone = asyncio.run(run(breaths, who, singly=True))
    assert together.answers == alone.answers
    assert together == alone


TIME = re.compile(rb'"(ts|retry_after)":[0-9.]+')
NEVER = 0.01
"""Tokens per second that a test never sees: the two runs of it take their own time."""


ROOMS = st.fixed_dictionaries(
    {
        "type": st.just("publish"),
        "channel": st.sampled_from(["room:1", "room:1", "room:2", "slow"]),
        "event": st.just("e"),
    },
    optional={"id": st.integers(0, 99), "data": VALUES, "traceparent": st.just(TRACE)},
).map(orjson.dumps)
STREAMS = st.lists(
    st.builds(
        Breath,
        st.lists(ROOMS, min_size=1, max_size=6) | st.lists(ROOMS | texts(), min_size=1, max_size=12),
        st.just(0.0),
        st.sampled_from([None, None, None, Role.VIEWER, Role.ANONYMOUS]),
    ),
    min_size=3,
    max_size=8,
)
"""Mostly what a thread may take by itself, once it was asked about."""


def without_times(seen: Seen) -> Seen:
    """What does not depend on when it was, nor on which way a publish took."""
    seen.answers = [[TIME.sub(b"", one) for one in answers] for answers in seen.answers]
    for channel, entries in seen.entries.items():
        documents = [orjson.loads(entry) for entry in entries]
        seen.entries[channel] = [orjson.dumps(one | {"ts": 0, "position": ""}) for one in documents]
    seen.stored.pop("stored")
    return seen


@pytest.mark.clause("C14", "C17", "M4", "M5", "M6", "M16", "M17", "M30", "M31", "L22", "L23", "L24", "E2", "E6")
def test_what_an_io_thread_takes_by_itself_is_answered_as_if_it_had_asked() -> None:
    taken = 0

    @settings(max_examples=80, deadline=None)
    @given(STREAMS, st.sampled_from(["vic", "vic", "nobody"]))
    def hold(breaths: list[Breath], who: str) -> None:
        nonlocal taken
        direct = asyncio.run(run(breaths, who, singly=False, direct=True, refill=NEVER))
        asked = asyncio.run(run(breaths, who, singly=True, refill=NEVER))
        taken += direct.taken
        direct.taken = 0
        assert without_times(direct) == without_times(asked)

    hold()
    assert taken > 10
