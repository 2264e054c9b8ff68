"""The entry point: runs a command and decides the exit code, alone."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .exits import Exit, Failed
from .stdout import NobodyReads

NAME = "ng-ws"

# Of the help, as typer has it by default.
WIDTH = 80

# With it in the environment the shell asks what could come next.
COMPLETE = "_NG_WS_COMPLETE"


def script() -> NoReturn:
    """The program: `main`, and an end without Python's slow way out, for which a user would wait after Ctrl-C."""
    code = main()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
        sys.stdout.flush()
        return code
    except (NobodyReads, BrokenPipeError):
        _abandon_stdout()
        return Exit.OK
    except ExceptionGroup as faults:
        if faults.subgroup((NobodyReads, BrokenPipeError)) is None:
            return _explain(faults, is_verbose=bool({"-v", "--verbose"} & set(given)))
        _abandon_stdout()
        return Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Failed as failure:
        is_usage = failure.exit_code is Exit.USAGE
        _say(failure.message, failure.hint or ("next: the same with --help" if is_usage else ""))
        return failure.exit_code
    except Exception as fault:  # noqa: BLE001 - the last line of defence: one sentence, not a traceback
        return _explain(fault, is_verbose=bool({"-v", "--verbose"} & set(given)))


def _run(given: list[str]) -> int:
    if given == ["--version"]:
        from ._version import __version__  # noqa: PLC0415 - nothing else is needed to answer this

        print(f"ng-ws {__version__}")
        return Exit.OK
    if given and given[-1] in {"-h", "--help"} and _shows_help(given[:-1]):
        return Exit.OK
    from .app import HelpAsked, app  # noqa: PLC0415 - a name and a version need no typer
    from .hoist import hoisted  # noqa: PLC0415

    if COMPLETE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]  # noqa: PLC0415

        completion_init()
    try:
        help_asked = None if {"-h", "--help"}.isdisjoint(given) else HelpAsked()
        code = app(hoisted(given), prog_name=NAME, standalone_mode=False, obj=help_asked)
    except SystemExit as end:
        if COMPLETE in os.environ:
            return Exit.OK
        # What typer makes of a closed pipe, of nothing else in this mode.
        raise NobodyReads from end
    return code if isinstance(code, int) else Exit.OK


def _shows_help(command: Sequence[str]) -> bool:
    """The help as `make docs` rendered it, for which nothing is imported; False: there is none, or it is too wide."""
    from shutil import get_terminal_size  # noqa: PLC0415

    file = Path(__file__).parent / "helps" / f"{'-'.join((NAME, *command))}.txt"
    if COMPLETE in os.environ or get_terminal_size().columns < WIDTH or not file.is_file():
        return False
    print(file.read_text(encoding="utf-8"), end="")
    return True


def _explain(fault: Exception, *, is_verbose: bool) -> int:
    from .failures import explained  # noqa: PLC0415 - only what failed needs it

    if is_verbose:
        import traceback  # noqa: PLC0415

        traceback.print_exception(fault)
    failure = explained(fault)
    _say(failure.message, failure.hint)
    return failure.exit_code


def _say(message: str, hint: str) -> None:
    from .escape import escaped  # noqa: PLC0415

    # Lines of a hint are ours: places in a text and grammars stand below it.
    lines = [f"ng-ws: {message}", *(f"       {line.removeprefix('       ')}" for line in hint.splitlines())]
    try:
        print(*map(escaped, lines), sep="\n", file=sys.stderr)
    except BrokenPipeError:
        return


def _abandon_stdout() -> None:
    """Nobody reads any more: what is still buffered goes nowhere, and the interpreter's last flush is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
