"""Publishers on every node while things break, and a judge of what each node's log was told (hardening.md 6.2)."""

import asyncio
import random
from collections import defaultdict
from functools import partial
from typing import Any

from tests.support.redis_nodes import Node, eventually


class Mangler:
    """Between a node's subscription and its logs: drops, doubles, delays, reorders and cuts messages by its seed."""

    def __init__(self, node: Node, seed: int) -> None:
        self._random = random.Random(seed)
        self._held: list[tuple[str, bytes]] = []
        following: Any = node.backplane.parts.following
        self._heard = following.heard
        following.heard = self.hear

    def hear(self, channel: str, payload: bytes) -> None:
        what = self._random.random()
        if what < 0.1:
            return
        if what < 0.2:
            self._held.append((channel, payload))
            return
        if what < 0.25:
            payload = payload[: self._random.randrange(len(payload))]
        self._heard(channel, payload)
        if what > 0.9:
            self._heard(channel, payload)
        while self._held and self._random.random() < 0.5:
            late = self._held.pop(self._random.randrange(len(self._held)))
            self._heard(*late)


class Publishers:
    """One for each node; what each was answered is kept."""

    def __init__(self, nodes: list[Node], channel: str = "actions") -> None:
        self.answers: dict[str, str] = {}
        """By event: its position, or the name of the error."""
        self._nodes = nodes
        self._channel = channel
        self._is_over = False
        self._tasks = [asyncio.create_task(self._publish(node)) for node in nodes]

    async def stop(self) -> None:
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def _publish(self, node: Node) -> None:
        number = 0
        while not self._is_over:
            events = [f"{node.name}{number + index}" for index in range(3)]
            number += 3
            answers = await asyncio.gather(*(node.append(event, channel=self._channel) for event in events))
            self.answers |= {event: answer[0] for event, answer in zip(events, answers, strict=True)}
            await asyncio.sleep(0.002)


async def settled(nodes: list[Node], channel: str = "actions") -> None:
    """Every node has confirmed the head: one entry more is on all of them, and all are ready."""
    for node in nodes:
        await node.ready()
    await nodes[0].append("fin", channel=channel)
    for node in nodes:
        await eventually(partial(_has_end, node, channel), partial(repr, node.log(channel)))
        await node.ready()


def _has_end(node: Node, channel: str) -> bool:
    return "fin" in node.log(channel).events[-3:]


def judge(nodes: list[Node], answers: dict[str, str], channel: str = "actions") -> dict[str, int]:
    """Raises AssertionError for what is lost, doubled, reordered or given two meanings unsaid. -> what was seen"""
    meanings: dict[str, set[str]] = defaultdict(set)
    seen = {"events": 0, "gaps": 0, "acks": 0, "unknown": 0, "refused": 0}
    for node in nodes:
        _judge_one(node, node.log(channel).history)
        for kind, first, second in node.log(channel).history:
            if kind == "event":
                meanings[first].add(second)
                seen["events"] += 1
            else:
                seen["gaps"] += 1
    for event, answer in answers.items():
        if ":" in answer:
            meanings[answer].add(event)
            seen["acks"] += 1
            for node in nodes:
                _judge_ack(node, node.log(channel).history, event, answer)
        elif answer == "outcome_unknown":
            seen["unknown"] += 1
        else:
            seen["refused"] += 1
            for node in nodes:
                assert event not in node.log(channel).events, f"{event} was refused, and {node.name} has it"
    doubled = {place: events for place, events in meanings.items() if len(events) > 1}
    assert doubled == {}, "places with two meanings"
    return seen


def _judge_one(node: Node, history: list[tuple[str, str, str]]) -> None:
    """Places rise by one, or a gap says from where to where; no epoch comes back; nothing is told twice in one."""
    at = ""
    former: set[str] = set()
    for kind, first, second in history:
        if kind == "gap":
            assert at in ("", first), f"{node.name}: a gap from {first}, where {at} was told last"
            if first.partition(":")[0] != second.partition(":")[0]:
                former.add(first.partition(":")[0])
            at = second
        else:
            epoch, _, offset = at.partition(":")
            assert first == f"{epoch}:{int(offset) + 1}", f"{node.name}: {first} after {at}"
            at = first
        assert at.partition(":")[0] not in former, f"{node.name}: the epoch of {at} is over"


def _judge_ack(node: Node, history: list[tuple[str, str, str]], event: str, place: str) -> None:
    """What was acknowledged is there, or a gap lies over it."""
    epoch, _, offset = place.partition(":")
    for kind, first, second in history:
        if kind == "event" and first == place:
            assert second == event, f"{node.name}: {place} is {second}, not {event}"
            return
        if kind == "gap" and first.partition(":")[0] == epoch and int(first.partition(":")[2]) < int(offset):
            return
    # An epoch that this node never heard of: it was over before the node came to it.
    epochs = {first.partition(":")[0] for kind, first, _ in history if kind == "event"}
    assert epoch not in epochs, f"{node.name} has neither {event} at {place} nor a gap over it"
