"""Which gaps a run can explain, and how many recoveries a hub of our own has to grant."""

from dataclasses import replace
from typing import Any

import pytest
from ng_ws.verify.checker import Outcome, check
from ng_ws.verify.history import HistoryError
from ng_ws.verify.needs import Promise

DURABLE = Promise(resume_events=5, kept_events=20, kept_seconds=3_600.0, is_durable=True)
IN_MEMORY = Promise(resume_events=5, kept_events=20, kept_seconds=3_600.0, is_durable=False)
SECOND = 1_000_000_000

Line = dict[str, Any]


class Script:
    """Writes a history in which `s1` follows `a` and `b`, up to a gap on `a`."""

    def __init__(self, promise: Promise | None = DURABLE) -> None:
        self.lines: list[Line] = []
        self.write("run", seed=1, hub=None if promise is None else promise.as_line())
        self.sent = 0
        for channel in ("a", "b"):
            self.write("sub", s="s1", ch=channel, n=1, req=None, rec=None, off=0, ep="aaaa0")

    def write(self, kind: str, /, **members: Any) -> None:
        self.lines.append({"t": len(self.lines), "e": kind, **members})

    def publish(self, channel: str, entries: int) -> None:
        for _ in range(entries):
            self.sent += 1
            name = f"p1-{self.sent}"
            self.write("pub", ch=channel, id=name, pub="p1", seq=self.sent, sum="")

    def away(self, *channels: str) -> None:
        for channel in channels:
            self.write("end", s="s1", ch=channel, n=1)

    def back(self, *channels: str) -> None:
        for channel in channels:
            self.write("sub", s="s1", ch=channel, n=2, req="aaaa0:0", rec=True, off=0, ep="aaaa0")

    def fault(self, kind: str) -> None:
        for do in ("begun", "healed"):
            self.write("fault", no=len(self.lines), kind=kind, do=do)

    def gap(self, reason: str, to: str = "aaaa0:3", missed: int | None = 3) -> Outcome:
        self.write("gap", s="s1", ch="a", n=2, **{"from": "aaaa0:0"}, to=to, missed=missed, reason=reason)
        return check(self.lines)


def needless(outcome: Outcome) -> list[str]:
    return [one.what for one in outcome.findings.kept if one.rule == "V12"]


@pytest.mark.parametrize(("entries", "objections"), [(5, 1), (6, 0)])
def test_a_cap_explains_a_gap_only_where_more_was_missed_than_may_be_replayed(entries: int, objections: int) -> None:
    script = Script()
    script.away("a", "b")
    script.publish("a", entries)
    script.back("a", "b")
    found = needless(script.gap("limit"))
    assert len(found) == objections
    assert all("at most 5 entries were missed, and 5 may be replayed" in text for text in found)


def test_one_resume_has_one_cap_for_all_channels_that_were_away_with_it() -> None:
    script = Script()
    script.away("a", "b")
    script.publish("a", 3)
    script.publish("b", 3)
    script.back("b", "a")
    assert needless(script.gap("limit")) == []


def test_a_channel_that_was_there_all_the_time_has_no_part_in_the_cap() -> None:
    script = Script()
    script.publish("b", 30)
    script.away("a")
    script.publish("a", 3)
    script.back("a")
    assert len(needless(script.gap("limit"))) == 1


@pytest.mark.parametrize("reason", ["retention", "slow"])
@pytest.mark.parametrize(("entries", "objections"), [(20, 1), (21, 0)])
def test_what_is_kept_for_certain_is_neither_too_old_nor_overrun(reason: str, entries: int, objections: int) -> None:
    script = Script()
    script.publish("a", entries)
    assert len(needless(script.gap(reason))) == objections


def test_a_run_that_lasts_longer_than_the_retention_explains_what_is_too_old() -> None:
    script = Script()
    script.publish("a", 3)
    script.gap("retention")
    script.lines[-1]["t"] = 3_601 * SECOND
    assert needless(check(script.lines)) == []


@pytest.mark.parametrize(
    ("promise", "kind", "objections"),
    [(DURABLE, "kill", 1), (DURABLE, "cut", 1), (IN_MEMORY, "kill", 0), (IN_MEMORY, "stop", 0), (IN_MEMORY, "cut", 1)],
)
def test_an_epoch_ends_only_with_a_log_that_is_not_on_disk(promise: Promise, kind: str, objections: int) -> None:
    script = Script(promise)
    script.fault(kind)
    assert len(needless(script.gap("epoch", "bbbb0:0", None))) == objections


@pytest.mark.parametrize(
    ("kind", "objections"),
    [("flush", 0), ("failover", 0), ("redis-kill", 0), ("kill", 1), ("partition", 1), ("redis-pause", 1), ("deaf", 1)],
)
def test_an_epoch_of_a_shared_log_ends_only_with_a_fault_of_what_redis_keeps(kind: str, objections: int) -> None:
    script = Script(replace(DURABLE, is_shared=True))
    script.fault(kind)
    assert len(needless(script.gap("epoch", "bbbb0:0", None))) == objections


@pytest.mark.parametrize("reason", ["reconnect", "client_queue", ""])
def test_other_reasons_explain_nothing(reason: str) -> None:
    assert len(needless(Script().gap(reason))) == 1


def test_of_a_hub_that_is_not_ours_nothing_is_known() -> None:
    script = Script(None)
    script.away("a", "b")
    script.back("a", "b")
    outcome = script.gap("limit")
    assert (needless(outcome), outcome.figures.recovery_floor) == ([], None)
    assert "V13" not in outcome.findings.counts


@pytest.mark.parametrize(("promise", "floored"), [(DURABLE, 1), (IN_MEMORY, 0)])
def test_a_hub_with_a_log_on_disk_has_to_grant_nearly_every_recovery(promise: Promise, floored: int) -> None:
    script = Script(promise)
    script.away("a", "b")
    script.publish("a", 3)
    script.back("b", "a")
    outcome = script.gap("limit")
    assert outcome.findings.counts["V13"] == floored
    assert outcome.figures.recovery_rate == 0.5


def test_a_recovery_whose_gap_is_explained_is_not_held_against_the_rate() -> None:
    script = Script()
    script.away("a", "b")
    script.publish("a", 6)
    script.back("b", "a")
    outcome = script.gap("limit")
    assert (outcome.findings.counts["V13"], outcome.figures.excused) == (0, 1)


def test_a_promise_that_is_none_is_refused_with_its_members() -> None:
    with pytest.raises(HistoryError, match=r"run\.hub: expected resume_events, kept_events, kept_seconds, is_durable"):
        check([{"t": 0, "e": "run", "hub": {"boo": 1}}])
