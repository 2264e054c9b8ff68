"""What a run is told as."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

from ng_ws.verify.checker import check
from ng_ws.verify.figures import Samples
from ng_ws.verify.plan import Plan
from ng_ws.verify.report import again, as_json, as_text, totals

from tests.cli.verify.model import history
from tests.cli.verify.seeded import seeded

PLAN = Plan(3, 2, ("verify:1",), 60.0, 10.0, (7,), ("cut", "kill"), starts_hub=True)


def test_a_run_that_passed_says_so_with_its_figures() -> None:
    outcome = check(history([]))
    text = as_text(7, outcome, Path("unused"), PLAN)
    assert text.startswith("seed 7\n")
    assert "0 lost, 0 duplicates, 0 reordered" in text
    assert "PASSED" in text
    assert "again:" not in text
    told = json.loads(as_json(7, outcome))
    assert (told["verdict"], told["violations"], told["found"]) == ("passed", {}, [])
    assert told["acknowledged"] > 0
    assert 0 < told["recovery_rate"] < 1


def test_a_violation_is_shown_with_the_lines_that_prove_it_and_how_to_run_it_again(tmp_path: Path) -> None:
    lines = seeded("duplicate", history([]), Random(1))
    assert lines is not None
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    outcome = check(lines)
    text = as_text(7, outcome, path, PLAN)
    assert "VIOLATED: 1 V3 duplicate" in text
    (violation,) = outcome.findings.kept
    for number in violation.lines:
        assert f"    {number}: {json.dumps(lines[number - 1])}" in text
    assert "again: ng-ws verify --clients 3" in text
    assert "--seed 7 --fault cut,kill --start-hub" in text
    (found,) = json.loads(as_json(7, outcome))["found"]
    assert (found["rule"], found["lines"]) == ("V3", list(violation.lines))


def test_the_command_that_runs_it_again_says_how_many_nodes_and_which_redis() -> None:
    plan = replace(PLAN, nodes=3, redis_server="/opt/redis-server")
    assert again(7, plan).endswith("--start-hub --nodes 3 --redis-server /opt/redis-server")


def test_ends_of_epochs_are_told_by_the_fault_that_brought_them() -> None:
    outcome = check(history([]))
    outcome.figures.told["flush"] = Samples()
    outcome.figures.told["flush"].add(1_500_000_000)
    outcome.figures.rotations["flush"] = 2
    text = as_text(7, outcome, Path("unused"), PLAN)
    assert "epochs ended      2 by flush" in text
    assert "told flush        1 gaps, p50 1.50 s, p99 1.50 s, max 1.50 s after it" in text


def test_a_run_that_proves_too_little_says_why() -> None:
    lines = [line for line in history([]) if line["e"] != "fin"]
    text = as_text(7, check(lines), Path("unused"), PLAN)
    assert "INCOMPLETE" in text
    assert "s1 never confirmed the head of verify:0" in text
    assert "and 3 more" in text


def test_what_came_from_the_wire_does_not_steer_the_terminal(tmp_path: Path) -> None:
    lines = history([])
    lines[0]["s"] = "\x1b[31mred"
    path = tmp_path / "history.jsonl"
    path.write_text("\x1b[31mred\n" * len(lines))
    text = as_text(7, check(lines), path, PLAN)
    assert "[31mred" in text
    assert "\x1b" not in text


def test_all_seeds_are_told_in_a_sentence() -> None:
    outcome = check(history([]))
    assert totals([outcome, outcome]).startswith("2 seeds: 2 passed; 0 violations; ")
