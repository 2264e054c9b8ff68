"""How a command ends. `main` alone decides the exit code; everything else raises."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes, which scripts may rely on."""

    OK = 0, "done; also when whoever read the output has seen enough"
    UNEXPECTED = 1, "something unexpected; recordings differ (`diff`); too little was confirmed (`verify`)"
    USAGE = 2, "a wrong argument, setting or file; an unknown channel"
    LOGIN = 3, "no usable credential"
    PERMISSION = 4, "the role lacks the right"
    CONNECT = 5, "cannot connect, or the hub ended the connection for good"
    TIMEOUT = 6, "no answer in time"
    RATE_LIMITED = 7, "too fast for the hub's rates"
    DATA_LOST = 8, "data is missing: `--fail-on-gap`, `verify`, `bench sub`"
    INTERRUPTED = 130, "interrupted by Ctrl-C or SIGTERM"

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "Exit":
        """A code with what it means."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class Failed(Exception):  # noqa: N818 - a command that failed, told in one sentence
    """What went wrong, and what to type next."""

    def __init__(self, exit_code: Exit, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.hint = hint


def misused(what: str, expected: str, came: object, hint: str = "") -> Failed:
    """A wrong argument: what was expected and what came."""
    return Failed(Exit.USAGE, f"{what}: expected {expected}, got {came!r}", hint)
