"""V14: whoever is connected hears within ten seconds without faults that an epoch is over."""

from typing import Any

import pytest
from ng_ws.verify.checker import Outcome, check
from ng_ws.verify.needs import Promise

SECOND = 1_000_000_000
SHARED = Promise(resume_events=1_000, kept_events=1_000, kept_seconds=3_600.0, is_durable=True, is_shared=True)

Line = dict[str, Any]


class Script:
    """`s1` follows `a`, one entry is stored; then whatever happens, at seconds."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.sent = 0
        self.at(0, "run", seed=1, hub=SHARED.as_line())
        self.at(0, "sub", s="s1", ch="a", n=1, req=None, rec=None, off=0, ep="aaaa0")
        self.stored(1, "aaaa0", 1)
        self.at(1, "msg", s="s1", ch="a", n=1, id="p1-1", sum="", off=1, ep="aaaa0")

    def at(self, second: float, kind: str, /, **members: Any) -> None:
        self.lines.append({"t": int(second * SECOND), "e": kind, **members})

    def stored(self, second: float, epoch: str, offset: int) -> None:
        self.sent += 1
        name = f"p1-{self.sent}"
        self.at(second, "pub", ch="a", id=name, pub="p1", seq=self.sent, sum="")
        self.at(second, "ack", id=name, off=offset, ep=epoch)

    def fault(self, kind: str, begun: float, healed: float | None = None, number: int = 1) -> None:
        self.at(begun, "fault", no=number, kind=kind, do="begun")
        if healed is not None:
            self.at(healed, "fault", no=number, kind=kind, do="healed")

    def told(self, second: float) -> Outcome:
        self.at(second, "gap", s="s1", ch="a", n=1, **{"from": "aaaa0:1"}, to="bbbb0:0", missed=None, reason="epoch")
        return check(self.lines)


def late(outcome: Outcome) -> list[str]:
    return [one.what for one in outcome.findings.kept if one.rule == "V14"]


@pytest.mark.accept("P7", "P8")
@pytest.mark.parametrize(("second", "count"), [(12.9, 0), (13.1, 1)])
def test_the_time_runs_from_the_first_entry_of_the_next_epoch(second: float, count: int) -> None:
    script = Script()
    script.fault("flush", 2, 2)
    script.stored(3, "bbbb0", 1)
    outcome = script.told(second)
    assert len(late(outcome)) == count
    told = outcome.figures.told["flush"].summary()
    assert (told["count"], told["max"]) == (1, (second - 2) * 1000)
    assert outcome.figures.rotations == {"flush": 1}


def test_while_a_fault_goes_on_nobody_has_to_hear() -> None:
    script = Script()
    script.fault("flush", 2, 2)
    script.stored(3, "bbbb0", 1)
    script.fault("stall", 4, number=2)
    assert late(script.told(60)) == []


def test_the_end_of_a_fault_begins_the_time_anew() -> None:
    script = Script()
    script.fault("flush", 2, 2)
    script.stored(3, "bbbb0", 1)
    script.fault("stall", 4, 20, number=2)
    assert late(script.told(29)) == []


def test_who_was_away_has_the_time_from_his_return() -> None:
    script = Script()
    script.fault("flush", 2, 2)
    script.at(2, "end", s="s1", ch="a", n=1)
    script.stored(3, "bbbb0", 1)
    script.at(30, "sub", s="s1", ch="a", n=2, req="aaaa0:1", rec=True, off=1, ep="aaaa0")
    outcome = script.told(31)
    assert late(outcome) == []
    assert "flush" not in outcome.figures.told


def test_a_gap_within_an_epoch_is_no_news_of_its_end() -> None:
    script = Script()
    script.stored(2, "aaaa0", 2)
    script.at(50, "gap", s="s1", ch="a", n=1, **{"from": "aaaa0:1"}, to="aaaa0:2", missed=1, reason="retention")
    outcome = check(script.lines)
    assert (late(outcome), outcome.figures.told) == ([], {})


def test_an_epoch_that_ends_without_a_loss_is_counted_as_such() -> None:
    script = Script()
    script.stored(3, "bbbb0", 1)
    outcome = script.told(4)
    assert outcome.figures.rotations == {"no loss": 1}
    # Nothing happened to the store, so the gap need not have been.
    assert outcome.findings.counts["V12"] == 1


@pytest.mark.parametrize(
    ("epoch", "offset", "what"), [("aaaa0", 0, "is below aaaa0:1"), ("bbbb0", 1, "is of another epoch than aaaa0:1")]
)
def test_each_hub_has_to_know_the_head(epoch: str, offset: int, what: str) -> None:
    script = Script()
    script.at(2, "head", node=1, ch="a", off=1, ep="aaaa0")
    script.at(2, "head", node=2, ch="a", off=offset, ep=epoch)
    (found,) = [one for one in check(script.lines).findings.kept if one.rule == "V11"]
    assert what in found.what
