"""What other nodes know of a connection, a session or a subject: each is asked, and each answers (G13)."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from channels.backplane.bus import Bus
from hub.cluster.reading import Body, checked, rows, text, whole
from hub.recorder import MOST_STORIES, Recorder, Story

if TYPE_CHECKING:
    from hub.counters import Counters

ASKED, TOLD = "story_of", "story"
PATIENCE = 1.0
"""Seconds for all nodes to answer; who does not is named."""


@dataclass(slots=True)
class Found:
    """Stories of other nodes, and the nodes that have not answered."""

    stories: list[Story] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Question:
    found: Found
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Stories:
    """Asks, and answers for this node."""

    def __init__(self, bus: Bus, recorder: Recorder, counters: "Counters") -> None:
        self._bus = bus
        self._recorder = recorder
        self._waiting: dict[str, _Question] = {}
        bus.listen(ASKED, checked(self._asked, counters))
        bus.listen(TOLD, checked(self._told, counters))

    async def elsewhere(self, name: str, limit: int = MOST_STORIES) -> Found:
        """What the nodes heard of lately know of `name`, at most `limit` stories of each."""
        question = _Question(Found(silent=sorted(self._bus.nodes())))
        if not question.found.silent:
            return question.found
        number = secrets.token_hex(8)
        self._waiting[number] = question
        self._bus.tell(ASKED, {"ask": number, "name": name, "limit": limit})
        try:
            async with asyncio.timeout(PATIENCE):
                await question.done.wait()
        except TimeoutError:
            pass
        finally:
            del self._waiting[number]
        return question.found

    def _asked(self, _node: str, body: Body) -> None:
        limit = min(whole(body, "limit"), MOST_STORIES)
        stories = self._recorder.stories(text(body, "name"), limit)
        self._bus.tell(TOLD, {"ask": text(body, "ask"), "stories": stories})

    def _told(self, node: str, body: Body) -> None:
        question = self._waiting.get(text(body, "ask"))
        if question is None or node not in question.found.silent:
            return
        told: list[Any] = [story for story in rows(body, "stories") if isinstance(story, dict)]
        question.found.stories += told[:MOST_STORIES]
        question.found.silent.remove(node)
        if not question.found.silent:
            question.done.set()
