"""What a run is judged by, and what is found.

V rules judge the history that publishers and subscribers write; I rules (PROTOCOL.md, section 15) what went over each
connection, which shows what a client's own care would hide.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

RULES: Mapping[str, str] = {
    "V1": "phantom",
    "V2": "identity",
    "V3": "duplicate",
    "V4": "reorder",
    "V5": "silent gap",
    "V6": "false recovery",
    "V7": "lost acknowledged entry",
    "V8": "publisher order",
    "V9": "old epoch",
    "V10": "real time",
    "V11": "head",
    "V12": "needless gap",
    "V13": "recovery rate",
    "V14": "told late",
    "I1": "identity on the wire",
    "I2": "order and place",
    "I3": "completeness on the wire",
    "I4": "cursor",
    "I5": "handled twice",
    "I6": "answers",
}

# Kept of each rule; all are counted. The first few tell what is wrong, a million would tell no more.
KEPT = 50


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of a rule, and the numbers of the lines of the history that prove it (from 1)."""

    rule: str
    what: str
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.rule} {RULES[self.rule]}: {self.what}"


class Findings:
    """What was found so far."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kept: list[Violation] = []

    def add(self, rule: str, what: str, *lines: int) -> None:
        """A rule is broken; lines that are 0 are not known."""
        self.counts[rule] += 1
        if self.counts[rule] <= KEPT:
            self.kept.append(Violation(rule, what, tuple(sorted({line for line in lines if line}))))

    @property
    def total(self) -> int:
        """How many, kept or not."""
        return self.counts.total()
