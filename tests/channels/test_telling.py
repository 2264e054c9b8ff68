"""News of presence on a node alone: in order, until they are stored (C25)."""

from collections.abc import Sequence
from typing import Any

import pytest

from channels import telling
from channels.backplane import Done
from channels.errors import LogUnavailable, OutcomeUnknown, UnknownChannel
from channels.presence import Change
from channels.publication import Publication, Stored
from channels.telling import Telling


class Appends:
    """A backplane that answers when the test wants it to."""

    def __init__(self, *, is_slow: bool = False) -> None:
        self.is_slow = is_slow
        self.error: Any = None
        self.stored: list[str] = []
        self.calls: list[tuple[Sequence[Publication], Done]] = []

    def append(self, _channel: str, publications: Sequence[Publication], done: Done) -> None:
        self.calls.append((publications, done))
        if not self.is_slow:
            self.answer()

    def answer(self) -> None:
        publications, done = self.calls.pop(0)
        if self.error is not None:
            done([self.error] * len(publications))
            return
        self.stored += [f"{one.event} {one.key}" for one in publications]
        done([Stored("e1:1")] * len(publications))


def change(event: str, subject: str = "ann") -> Change:
    return Change("room:1", event, subject, b"{}")


def made(backplane: Appends) -> Telling:
    return Telling(lambda: backplane)  # type: ignore[arg-type, return-value]


@pytest.mark.clause("C25")
@pytest.mark.parametrize("error", [LogUnavailable("the disk is full"), OutcomeUnknown("?")])
def test_what_was_refused_is_told_in_its_order_when_it_can_be(error: Exception) -> None:
    backplane = Appends()
    told = made(backplane)
    backplane.error = error
    for one in (change("join"), change("join", "bob"), change("leave")):
        told.tell(one)
    told.sweep()
    assert (backplane.stored, len(told), told.dropped) == ([], 3, 0)
    backplane.error = None
    told.sweep()
    assert (backplane.stored, len(told)) == (["join ann", "join bob", "leave ann"], 0)


@pytest.mark.clause("C25")
def test_what_comes_while_others_are_on_the_way_waits_for_them() -> None:
    backplane = Appends(is_slow=True)
    told = made(backplane)
    told.tell(change("join"))
    told.tell(change("leave"))
    told.sweep()
    assert len(backplane.calls) == 1
    backplane.answer()
    backplane.answer()
    assert (backplane.stored, backplane.calls) == (["join ann", "leave ann"], [])


def test_what_waits_is_bounded_and_what_could_never_be_told_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "MOST", 2)
    backplane = Appends()
    told = made(backplane)
    backplane.error = LogUnavailable("away")
    for number in range(4):
        told.tell(change("join", f"s{number}"))
    assert (len(told), told.dropped) == (2, 2)
    backplane.error = UnknownChannel("no such channel")
    told.sweep()
    assert (len(told), told.dropped) == (0, 4)


def test_the_bound_costs_those_that_have_waited_longest_and_holds_for_what_is_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "MOST", 3)
    backplane = Appends()
    told = made(backplane)
    backplane.error = LogUnavailable("away")
    for number in range(3):
        told.tell(change("join", f"s{number}"))
    told.tell(Change("room:2", "join", "bob", b"{}"))
    assert (len(told), told.dropped) == (3, 1)
    backplane.error, backplane.is_slow = None, True
    told.sweep()
    for number in range(3, 6):
        told.tell(change("join", f"s{number}"))
    assert (len(told), told.dropped) == (3, 4)
    while backplane.calls:
        backplane.answer()
    assert (backplane.stored, len(told)) == (["join s1", "join s2", "join bob"], 0)
    told.sweep()
    assert backplane.calls == []
