"""What a check found."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Whose matter a fault is: for exit codes, and for who decides what to do."""

    NONE = "none"
    USAGE = "usage"
    LOGIN = "login"
    PERMISSION = "permission"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"


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
    cause: Cause = Cause.NONE

    def __str__(self) -> str:
        return f"{self.verdict.value:<5} {self.check:<11} {self.text}{f'; {self.hint}' if self.hint else ''}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found, from the outside in; prints as one line each."""

    url: str
    findings: tuple[Finding, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing failed."""
        return self.failed is None

    @property
    def failed(self) -> Finding | None:
        """The first that failed, which is the one to mend."""
        return next((one for one in self.findings if one.verdict is Verdict.FAIL), None)

    @property
    def summary(self) -> str:
        """One sentence, and the next thing to try where something is wrong."""
        if self.failed is not None:
            return f"{self.failed.check}: {self.failed.text}; {self.failed.hint}"
        warned = sum(one.verdict is Verdict.WARN for one in self.findings)
        return f"{len(self.findings)} checks, {f'{warned} to look at' if warned else 'all in order'}"

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.findings), self.summary])


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


def fail(check: str, text: str, hint: str, cause: Cause = Cause.CONNECT) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAIL, text, hint, cause)
