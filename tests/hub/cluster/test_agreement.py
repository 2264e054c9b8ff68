"""Nodes of one cluster notice by fingerprints that their keys differ, and say which (R2)."""

from typing import Any

import pytest

from hub.auth.sealing import fingerprint
from hub.cluster.agreement import TELL_TICKS, Agreement, Fingerprints
from hub.counters import Counters
from tests.support.bus import Wire
from tests.support.town import until

SAME = Fingerprints(("k1",), "s")


class Pair:
    def __init__(self, one: Fingerprints, two: Fingerprints) -> None:
        self.wire = Wire()
        self.counters = Counters()
        self.nodes = [
            Agreement(self.wire.bus(name), prints, self.counters) for name, prints in (("n1", one), ("n2", two))
        ]

    async def told(self) -> list[dict[str, str]]:
        """What each says of the other, once both have told."""
        for node in self.nodes:
            node.sweep()
        await until(lambda: all(node.knows == 1 for node in self.nodes))
        return [dict(node.differing) for node in self.nodes]


@pytest.mark.clause("R2")
@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        (SAME, SAME, None),
        (Fingerprints(("new", "old"), None), Fingerprints(("old", "new"), "s"), None),
        (Fingerprints(("new", "old"), None), Fingerprints(("old",), None), ["reconnection tokens"]),
        (Fingerprints(("a",), "s"), Fingerprints(("b",), "s"), ["reconnection tokens"]),
        (Fingerprints(("a",), "s"), Fingerprints(("a",), "t"), ["credentials"]),
        (Fingerprints(("a",), "s"), Fingerprints(("b",), "t"), ["reconnection tokens", "credentials"]),
    ],
)
async def test_keys_agree_where_each_opens_what_the_other_seals_now(
    one: Fingerprints, two: Fingerprints, words: list[str] | None
) -> None:
    pair = Pair(one, two)
    for said, other in zip(await pair.told(), ("n2", "n1"), strict=True):
        assert list(said) == ([] if words is None else [other])
        assert all(word in said[other] for word in words or ())
    assert [node.failure is None for node in pair.nodes] == [words is None] * 2


async def test_a_node_that_is_gone_or_has_our_keys_now_is_no_reason_any_more() -> None:
    pair = Pair(SAME, Fingerprints(("other",), "s"))
    await pair.told()
    here = pair.nodes[0]
    again = pair.wire.bus("n2")
    Agreement(again, SAME, pair.counters).sweep()
    await until(lambda: not here.differing)
    again.tell("keys", {"sealing": ["other"], "signing": None})
    await until(lambda: bool(here.differing))
    pair.wire.kill("n2")
    here.sweep()
    assert (dict(here.differing), here.failure, here.knows) == ({}, None, 0)


@pytest.mark.clause("N17")
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sealing": []},
        {"sealing": "k1"},
        {"sealing": [1]},
        {"sealing": ["k"] * 65},
        {"sealing": ["k"], "signing": 7},
    ],
)
async def test_what_cannot_be_read_is_dropped_and_counted(body: dict[str, Any]) -> None:
    pair = Pair(SAME, SAME)
    pair.wire.buses["n2"].tell("keys", body)
    await until(lambda: pair.counters.values["errors"]["bus", "unreadable"] == 1)
    assert pair.nodes[0].knows == 0


async def test_keys_are_told_every_few_seconds_and_never_themselves() -> None:
    pair = Pair(Fingerprints((fingerprint(b"secret"),), None), SAME)
    for _ in range(2 * TELL_TICKS):
        pair.nodes[0].sweep()
    told = [body for kind, body in pair.wire.buses["n1"].messages if kind == "keys"]
    assert told == [{"sealing": [fingerprint(b"secret")], "signing": None}] * 2
    assert fingerprint(b"secret") != fingerprint(b"another")
    assert "secret" not in str(told)
