"""The delivery checker: correct histories pass, and every seeded fault is caught by the rule meant for it."""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ng_ws.verify.checker import Checker, check
from ng_ws.verify.history import HistoryError
from ng_ws.verify.rules import KEPT

from tests.cli.verify.model import ACTIONS, history
from tests.cli.verify.seeded import FAULTS, seeded

actions = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 41)), max_size=120)
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(actions)
@settings(max_examples=150, deadline=None)
def test_a_correct_history_passes(drawn: list[tuple[str, int]]) -> None:
    outcome = check(history(drawn))
    assert [str(one) for one in outcome.findings.kept] == []
    assert outcome.incomplete == ()


@pytest.mark.parametrize("name", FAULTS)
@SETTINGS
@given(drawn=actions, seed=st.integers(0, 1 << 30))
def test_a_seeded_fault_is_caught_by_the_rule_meant_for_it(name: str, drawn: list[tuple[str, int]], seed: int) -> None:
    lines = seeded(name, history(drawn), Random(seed))
    assume(lines is not None)
    assert lines is not None
    outcome = check(lines)
    rule, _ = FAULTS[name]
    assert rule in outcome.findings.counts, [str(one) for one in outcome.findings.kept]
    assert not outcome.has_passed


@pytest.mark.parametrize("name", FAULTS)
def test_the_faults_find_a_place_in_every_history(name: str) -> None:
    assert all(seeded(name, history([]), Random(seed)) is not None for seed in range(20))


def test_the_lines_that_prove_it_are_named() -> None:
    lines = seeded("duplicate", history([]), Random(1))
    assert lines is not None
    (violation,) = check(lines).findings.kept
    assert [lines[number - 1]["e"] for number in violation.lines] == ["msg", "msg"]
    assert len({lines[number - 1]["off"] for number in violation.lines}) == 1


def test_who_never_confirms_the_head_makes_the_run_incomplete_and_not_passed() -> None:
    lines = history([])
    lines.remove(next(line for line in lines if line["e"] == "fin"))
    outcome = check(lines)
    assert outcome.findings.total == 0
    assert "s1 never confirmed the head of verify:0" in outcome.incomplete[0]
    assert not outcome.has_passed


def test_a_head_that_was_confirmed_before_the_last_fault_healed_counts_for_nothing() -> None:
    lines = history([])
    last = lines[-1]["t"]
    lines += [
        {"t": last + number, "e": "fault", "no": 99, "kind": "cut", "do": do}
        for number, do in enumerate(("begun", "healed"))
    ]
    assert len(check(lines).incomplete) == 6


def test_a_fault_that_never_heals_makes_the_run_incomplete() -> None:
    lines = history([])
    fault: dict[str, Any] = {"t": 0, "e": "fault", "no": 99, "kind": "hole", "do": "begun"}
    assert check([fault, *lines]).incomplete == ("a fault (hole) was begun and never healed",)


def test_a_history_in_which_nothing_was_acknowledged_proves_nothing() -> None:
    assert check([]).incomplete == ("no publish was acknowledged, so nothing is proved", "nobody subscribed")


@pytest.mark.clause("I6")
def test_outcomes_that_are_unknown_without_a_fault_make_the_run_incomplete() -> None:
    """A hub that answers only some of what it stores is no hub that was found in order."""
    lines = [line for line in history([("publish", 0)] * 20) if line["e"] != "fault"]
    acked = [line["id"] for line in lines if line["e"] == "ack" and not line.get("duplicate")]
    few, many = set(acked[-1:]), set(acked[-10:])
    unanswered = [[line for line in lines if line["e"] != "ack" or line["id"] not in ids] for ids in (few, many)]
    outcomes = [check(found) for found in unanswered]
    assert [outcome.findings.total for outcome in outcomes] == [0, 0]
    sent = sum(line["e"] == "pub" for line in lines)
    unknown = outcomes[1].figures.counts["unknown"]
    assert [outcome.incomplete for outcome in outcomes] == [
        (),
        (f"the outcome of {unknown} of {sent} publishes is unknown, and there was no fault",),
    ]
    faulty = [{"t": 0, "e": "fault", "no": 1, "kind": "cut", "do": do} for do in ("begun", "healed")]
    assert check([*faulty, *unanswered[1]]).incomplete == ()


def test_a_subscriber_without_its_cursor_takes_repeats_but_no_holes() -> None:
    lines = history([])
    fin = next(number for number, line in enumerate(lines) if line["e"] == "fin")
    head, tail = lines[:fin], lines[fin:]
    handled = [line for line in head if line["e"] == "msg" and (line["s"], line["ch"]) == ("s1", "verify:1")]
    start = {**handled[-3], "e": "sub", "req": None, "rec": None, "lost": True, "off": handled[-3]["off"] - 1}
    again = [start, *handled[-3:]]
    outcome = check([{**line, "t": number} for number, line in enumerate([*head, *again, *tail])])
    assert (outcome.findings.total, outcome.figures.counts["repeats"]) == (0, 3)
    too_late = {**start, "off": handled[-1]["off"] + 1}
    broken = check([{**line, "t": number} for number, line in enumerate([*head, too_late, *tail])])
    assert "V6" in broken.findings.counts


def resumed_by_an_old_token(*after: dict[str, Any]) -> list[dict[str, Any]]:
    """A token was given at aaaa:1; two epochs later it is all that is left, and the stream goes on with `after`."""
    one = {"s": "s1", "ch": "c"}
    lines: list[dict[str, Any]] = []
    for number, epoch in enumerate(("aaaa", "bbbb", "cccc"), 1):
        name = f"p1-{number}"
        lines.append({"e": "pub", "ch": "c", "id": name, "pub": "p1", "seq": number, "sum": "x"})
        lines.append({"e": "ack", "id": name, "off": 1, "ep": epoch})
    lines.append({"e": "sub", **one, "n": 1, "req": None, "rec": None, "off": 0, "ep": "aaaa"})
    lines.append(message(1, 1, "aaaa"))
    lines += [gap(1, "aaaa:1", "bbbb:0"), message(1, 2, "bbbb"), gap(1, "bbbb:1", "cccc:0"), message(1, 3, "cccc")]
    lines.append({"e": "end", **one, "n": 1})
    lines.append({"e": "sub", **one, "n": 2, "req": None, "rec": None, "off": 1, "ep": "aaaa", "lost": True})
    return [{**line, "t": number} for number, line in enumerate([*lines, *after])]


def message(life: int, publication: int, epoch: str) -> dict[str, Any]:
    name = f"p1-{publication}"
    return {"e": "msg", "s": "s1", "ch": "c", "n": life, "id": name, "sum": "x", "off": 1, "ep": epoch}


def gap(life: int, start: str, end: str) -> dict[str, Any]:
    return {"e": "gap", "s": "s1", "ch": "c", "n": life, "from": start, "to": end, "missed": None, "reason": "epoch"}


@pytest.mark.clause("R8", "R16", "P10")
def test_a_token_from_before_an_epoch_ended_leads_out_of_it_by_a_gap_and_takes_repeats() -> None:
    outcome = check(resumed_by_an_old_token(gap(2, "aaaa:1", "cccc:0"), message(2, 3, "cccc")))
    assert ([str(one) for one in outcome.findings.kept], outcome.figures.counts["repeats"]) == ([], 1)


@pytest.mark.clause("P1", "P12")
@pytest.mark.parametrize(
    ("after", "rule"),
    [
        ([message(2, 3, "cccc")], "V5"),
        ([message(2, 1, "aaaa")], "V9"),
        ([gap(2, "aaaa:1", "bbbb:0")], "V9"),
        ([message(2, 2, "bbbb")], "V9"),
        ([gap(2, "aaaa:1", "cccc:0"), gap(2, "cccc:0", "bbbb:0")], "V9"),
    ],
    ids=["no gap", "an entry of the old one", "a gap into another old one", "no gap into another", "and back"],
)
def test_nothing_else_leads_out_of_an_epoch_that_is_over(after: list[dict[str, Any]], rule: str) -> None:
    assert rule in check(resumed_by_an_old_token(*after)).findings.counts


def test_entries_of_strangers_are_phantoms_unless_they_are_expected() -> None:
    lines = history([])
    publications = {line["id"] for line in lines if line["e"] == "pub"}
    stranger = sorted(publications)[0]
    strange = [{**line, "id": None} if line["e"] == "msg" and line["id"] == stranger else line for line in lines]
    strange = [line for line in strange if line.get("id") != stranger]
    assert "V1" in check(strange).findings.counts
    outcome = check(strange, takes_strangers=True)
    assert (outcome.findings.total, outcome.figures.counts["strangers"] > 0) == (0, True)


def test_what_is_found_is_counted_beyond_what_is_kept() -> None:
    lines = [
        {**line, "sum": "other"} if line["e"] == "msg" else line
        for line in history([("publish", 0), ("deliver", 0)] * 40)
    ]
    outcome = check(lines)
    assert outcome.findings.counts["V1"] > KEPT == sum(one.rule == "V1" for one in outcome.findings.kept)


def test_figures_tell_recoveries_gaps_and_times() -> None:
    figures = check(history([])).figures
    assert figures.recoveries.total() == sum(figures.recoveries.values()) > 0
    assert figures.recovery_rate is not None
    assert 0 < figures.recovery_rate < 1
    assert figures.gaps["slow"] > 0
    assert figures.gaps["retention"] > 0
    assert figures.latency.summary()["count"] == figures.counts["msg"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"t": 5, "e": "boo"}, "line 1: expected one of run, pub, ack"),
        ({"t": -1, "e": "ack"}, "line 1: expected a time from 0 on, got -1"),
        ({"t": 1, "e": "nak", "id": "p1-1"}, "line 1: p1-1 was refused before it was sent"),
        ({"t": 1, "e": "gap", "s": "s", "ch": "c", "from": "x", "to": "aaaa:1"}, "expected a position like"),
    ],
)
def test_what_is_no_history_is_refused_with_its_line(line: dict[str, Any], message: str) -> None:
    with pytest.raises(HistoryError, match=message):
        Checker().take(line)
