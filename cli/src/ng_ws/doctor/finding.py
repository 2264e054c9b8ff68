"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum

from ..exits import Exit


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, a sentence, and what to do about it."""

    check: str
    verdict: Verdict
    text: str
    hint: str = ""
    exit_code: Exit = Exit.OK


class Stop(Exception):  # noqa: N818 - the walk ends at this finding
    """Nothing behind this can be looked at."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, text)


def warn(check: str, text: str, hint: str = "") -> Finding:
    """It works, and somebody should know."""
    return Finding(check, Verdict.WARN, text, hint)


def fail(check: str, text: str, hint: str, exit_code: Exit = Exit.CONNECT) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAIL, text, hint, exit_code)
