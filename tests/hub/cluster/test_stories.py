"""What happened to a connection is known wherever it was (G13)."""

from typing import Any

import pytest

from channels.permissions import Role
from hub.auth import Identity
from hub.cluster import stories
from tests.support.town import Town, until

ANN = Identity("ann", Role.DEVELOPER)


@pytest.mark.accept("G13")
async def test_a_story_is_found_on_the_node_that_knows_it() -> None:
    async with Town("n1", "n2", "n3") as (one, two, _):
        peer = two.peer(ANN)
        conn = peer.connection.session.conn
        for name in (conn, "ann", peer.connection.session.session):
            found = await one.cluster.stories.elsewhere(name)
            assert ([story["conn"] for story in found.stories], found.silent) == ([conn], [])
        nothing = await one.cluster.stories.elsewhere("nobody")
        assert (nothing.stories, nothing.silent) == ([], [])


async def test_a_node_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stories, "PATIENCE", 0.05)
    async with Town("n1", "n2", "n3") as (one, two, three):
        three.peer(ANN)
        two.bus.is_deaf = True
        found = await one.cluster.stories.elsewhere("ann")
        assert (len(found.stories), found.silent) == (1, ["n2"])


@pytest.mark.clause("N17")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("story_of", {"ask": "a", "name": ["ann"], "limit": 1}),
        ("story_of", {"ask": "a", "name": "ann", "limit": -1}),
        ("story", {"ask": ""}),
    ],
)
async def test_a_question_that_cannot_be_read_is_dropped(kind: str, body: dict[str, Any]) -> None:
    async with Town("n1", "n2") as (one, two):
        two.bus.tell(kind, body)
        await until(lambda: ("bus", "unreadable") in one.errors())
