"""How a command ends. `main` alone decides the exit code; everything else raises."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes, which scripts may rely on."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    LOGIN = 3
    PERMISSION = 4
    CONNECT = 5
    TIMEOUT = 6
    RATE_LIMITED = 7
    DATA_LOST = 8
    INTERRUPTED = 130


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
