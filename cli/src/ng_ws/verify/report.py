"""What a run showed: for people a table, a verdict and the lines that prove it; for programs one JSON object."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurograph_ws_client.durations import shown

from ..escape import escaped
from ..render import object_line
from .checker import Outcome
from .history import picked
from .plan import Plan
from .rules import RULES

# Violations and unconfirmed heads that are shown; the counts tell of the others.
_SHOWN = 3

# Letters of a line of the history that are shown.
_WIDTH = 300


def summary(seed: int, outcome: Outcome) -> dict[str, Any]:
    """Everything that was found and measured, by name."""
    figures, counts = outcome.figures, outcome.figures.counts
    found = outcome.findings.counts
    rate = figures.recovery_rate
    return {
        "seed": seed,
        "verdict": verdict(outcome),
        "violations": {rule: found[rule] for rule in RULES if found[rule]},
        "incomplete": list(outcome.incomplete),
        "published": counts["pub"],
        "acknowledged": counts["ack"],
        "refused": counts["nak"],
        "unknown": counts["unknown"],
        "handled": counts["msg"],
        "lost": counts["lost"],
        "duplicates": found["V3"],
        "reordered": found["V4"],
        "strangers": counts["strangers"],
        "repeats": counts["repeats"],
        "stored_again": counts["stored_again"],
        "starts": counts["sub"],
        "gaps": dict(figures.gaps),
        "gap_entries": figures.gap_entries,
        "recoveries": dict(figures.recoveries),
        "recovery_rate": None if rate is None else round(rate, 4),
        "recovery_floor": figures.recovery_floor,
        "faults": dict(figures.faults),
        "heal_to_head_ms": {kind: samples.summary() for kind, samples in sorted(figures.healing.items())},
        "told_ms": {kind: samples.summary() for kind, samples in sorted(figures.told.items())},
        "epochs_rotated": dict(figures.rotations),
        "latency_ms": figures.latency.summary(),
        "wire": dict(outcome.wire),
    }


def verdict(outcome: Outcome) -> str:
    """In one word."""
    if outcome.findings.total:
        return "violated"
    return "incomplete" if outcome.incomplete else "passed"


def as_json(seed: int, outcome: Outcome) -> bytes:
    """One line."""
    kept = [{"rule": one.rule, "what": one.what, "lines": list(one.lines)} for one in outcome.findings.kept]
    return object_line({**summary(seed, outcome), "found": kept})


def as_text(seed: int, outcome: Outcome, history: Path, plan: Plan) -> str:
    """The table, the verdict, the proof."""
    rows = [f"  {name:<17} {text}" for name, text in _rows(summary(seed, outcome))]
    lines = [*rows, "", *_verdict_lines(outcome), *_proof(outcome, history)]
    if outcome.findings.total or outcome.incomplete:
        lines += ["", f"  again: {again(seed, plan)}"]
    return "".join(f"{escaped(line)}\n" for line in [f"seed {seed}", *lines, ""])


def again(seed: int, plan: Plan) -> str:
    """The command that runs this seed once more."""
    options: list[object] = ["--clients", plan.clients, "--publishers", plan.publishers, "--rate", f"{plan.rate:g}"]
    options += ["--for", f"{plan.duration:g}s", "--channels", ",".join(plan.channels), "--seed", seed]
    options += ["--fault", ",".join(plan.faults) or "none"]
    if plan.starts_hub:
        options += ["--start-hub"]
    if plan.nodes > 1:
        options += ["--nodes", plan.nodes]
    if plan.redis_server is not None:
        options += ["--redis-server", plan.redis_server]
    if plan.hub_command is not None:
        options += ["--hub-command", plan.hub_command]
    return shlex.join(["ng-ws", "verify", *map(str, options)])


def totals(outcomes: Sequence[Outcome]) -> str:
    """All seeds in a sentence."""
    words = Counter(map(verdict, outcomes))
    granted = sum(outcome.figures.recoveries["granted"] for outcome in outcomes)
    asked = sum(outcome.figures.recoveries.total() for outcome in outcomes)
    told = ", ".join(f"{count} {word}" for word, count in words.items())
    violations = sum(outcome.findings.total for outcome in outcomes)
    share = f"; {granted} of {asked} recoveries granted" if asked else ""
    return f"{len(outcomes)} seeds: {told}; {violations} violations{share}"


# -- the table ---------------------------------------------------------------------------------------------------------


def _rows(found: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "published", _joined(found, "published", ("acknowledged", "refused", "unknown", "stored_again"))
    yield "handled", _joined(found, "handled", ("lost", "duplicates", "reordered", "repeats", "strangers"))
    gaps = ", ".join(f"{count} {reason}" for reason, count in sorted(found["gaps"].items()))
    counted = f" ({gaps}), {found['gap_entries']} entries" if gaps else ""
    yield "gaps", f"{sum(found['gaps'].values())}{counted}"
    yield "recoveries", _recoveries(found)
    yield "faults", ", ".join(f"{count} {kind}" for kind, count in sorted(found["faults"].items())) or "none"
    if found["epochs_rotated"]:
        yield "epochs ended", ", ".join(f"{count} by {kind}" for kind, count in sorted(found["epochs_rotated"].items()))
    for kind, times in found["told_ms"].items():
        yield f"told {kind}", f"{times['count']} gaps, {_times(times)} after it"
    yield "latency", _times(found["latency_ms"])
    for kind, times in found["heal_to_head_ms"].items():
        if times["count"]:
            yield f"after {kind}", f"{_times(times)} to the head"
    if found["wire"]:
        yield "on the wire", ", ".join(f"{count} {name}" for name, count in found["wire"].items())


def _joined(found: Mapping[str, Any], first: str, others: Sequence[str]) -> str:
    always = {"acknowledged", "lost", "duplicates", "reordered"}
    told = [f"{found[name]} {name.replace('_', ' ')}" for name in others if found[name] or name in always]
    return f"{found[first]}: {', '.join(told)}"


def _recoveries(found: Mapping[str, Any]) -> str:
    rate = found["recovery_rate"]
    if rate is None:
        return "none asked for"
    ways = ", ".join(f"{count} {how}" for how, count in sorted(found["recoveries"].items()))
    floor = found["recovery_floor"]
    return f"{rate:.1%} granted ({ways})" + ("" if floor is None else f"; at least {floor:.0%} of those that can be")


def _times(times: Mapping[str, float]) -> str:
    if not times["count"]:
        return "none"
    return ", ".join(f"{name} {shown(times[name] / 1000)}" for name in ("p50", "p99", "max"))


# -- the verdict -------------------------------------------------------------------------------------------------------


def _verdict_lines(outcome: Outcome) -> Iterable[str]:
    word = verdict(outcome)
    if word == "violated":
        counts = outcome.findings.counts
        yield "VIOLATED: " + ", ".join(f"{counts[rule]} {rule} {name}" for rule, name in RULES.items() if counts[rule])
    elif word == "incomplete":
        yield "INCOMPLETE: nothing was found, and too little was confirmed to say that it passed"
    else:
        yield "PASSED: everything acknowledged was handled once and in order, or told as missing"
    for reason in outcome.incomplete[:_SHOWN]:
        yield f"  {reason}"
    if len(outcome.incomplete) > _SHOWN:
        yield f"  and {len(outcome.incomplete) - _SHOWN} more"


def _proof(outcome: Outcome, history: Path) -> Iterable[str]:
    """The first violation of each rule, then more of them, with the lines of the history."""
    first = {one.rule: one for one in reversed(outcome.findings.kept)}
    chosen = [*first.values(), *(one for one in outcome.findings.kept if one is not first[one.rule])][:_SHOWN]
    texts = picked(history, (number for one in chosen for number in one.lines))
    for one in chosen:
        yield ""
        yield f"  {one}"
        for number in one.lines:
            yield f"    {number}: {texts.get(number, '')[:_WIDTH]}"
