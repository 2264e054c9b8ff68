"""Who waits for which logs, and what is answered (N12, N18)."""

import asyncio
from typing import Any

import pytest

from channels.backplane import Ready
from channels.catching_up import CatchUp, Errors
from channels.errors import BrokerError, LogUnavailable
from channels.publication import Position
from channels.subscription import SubscribeSpec

AWAY = LogUnavailable("away")


class Backplane:
    """Answers what a test has prepared: True, an answer in the call, or later."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Position | None, bool]] = []
        self.now: dict[str, bool | BrokerError | None] = {}
        self.later: list[Ready] = []

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        self.asked.append((channel, wanted, is_proof))
        answer = self.now.get(channel, True)
        if answer is False:
            self.later.append(done)
        elif answer is not True:
            done(answer)
        return answer is True


def spec(channel: str, **options: Any) -> SubscribeSpec:
    return SubscribeSpec(channel, "all", "gap", **options)


@pytest.fixture
def backplane() -> Backplane:
    return Backplane()


@pytest.fixture
def book(backplane: Backplane) -> CatchUp:
    return CatchUp(backplane)  # type: ignore[arg-type]


def never(_: Errors) -> None:
    pytest.fail("expected an answer at once")


@pytest.mark.clause("N18")
def test_what_is_ready_is_answered_at_once(book: CatchUp, backplane: Backplane) -> None:
    assert book.ask([spec("a"), spec("b", start=("at", "k3Fq", 7))], never) == {}
    assert backplane.asked == [("a", None, False), ("b", Position("k3Fq", 7), False)]
    assert len(book) == 0


@pytest.mark.clause("N4", "R8")
def test_a_proof_is_asked_for_and_a_word_beyond_it_too(book: CatchUp, backplane: Backplane) -> None:
    proof = Position("k3Fq", 5)
    book.ask([spec("a", start=("at", "k3Fq", 5), proof=proof), spec("b", start=("at", "k3Fq", 9), proof=proof)], never)
    assert backplane.asked == [("a", proof, True), ("b", proof, True), ("b", Position("k3Fq", 9), False)]


@pytest.mark.clause("N11", "M23")
def test_an_answer_within_the_call_is_an_answer_at_once(book: CatchUp, backplane: Backplane) -> None:
    backplane.now = {"a": AWAY, "b": None}
    errors = book.ask([spec("a"), spec("b"), spec("c")], never)
    assert errors == {"a": AWAY}
    assert AWAY.channel == "a"


@pytest.mark.clause("N18", "M23")
def test_who_waits_hears_once_when_all_is_known_and_what_it_waits_for_is_held(
    book: CatchUp, backplane: Backplane
) -> None:
    backplane.now = {"a": False, "b": False}
    heard: list[Errors] = []
    assert book.ask([spec("a"), spec("b"), spec("c")], heard.append) is None
    assert ([book.is_awaited(name) for name in "abc"], len(book)) == ([True] * 3, 3)
    backplane.later[0](None)
    assert heard == []
    backplane.later[1](LogUnavailable("away"))
    assert [list(errors) for errors in heard] == [["b"]]
    assert ([book.is_awaited(name) for name in "abc"], len(book)) == ([False] * 3, 0)


@pytest.mark.clause("N11")
async def test_waiting_ends_with_the_answer(book: CatchUp, backplane: Backplane) -> None:
    await book.wait("a")
    backplane.now = {"a": False}
    for answer in (None, LogUnavailable("away")):
        waiting = asyncio.ensure_future(book.wait("a"))
        await asyncio.sleep(0)
        backplane.later.pop()(answer)
        if answer is None:
            await waiting
        else:
            with pytest.raises(LogUnavailable):
                await waiting


async def test_who_does_not_wait_any_more_hurts_nobody(book: CatchUp, backplane: Backplane) -> None:
    backplane.now = {"a": False}
    waiting = asyncio.ensure_future(book.wait("a"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    told: Ready = backplane.later.pop()
    told(None)
    assert len(book) == 0
