"""Options of `ng-ws top`."""

import sys

import typer

from ..arguments import helped
from ..exits import Exit, Failed
from ..tree import single

_TOP = helped(
    "ng-ws top",
    "NG_TOKEN=$(ng-ws token new --role admin) ng-ws top --url ws://localhost:8000/ws",
    "A live view: rates, latency, gaps, novelty, channels and connections (role admin). Keys: / filter, s sort, enter "
    "the story of a connection, k kick, q quit. Into a pipe: ng-ws status --format json has the same figures.",
)

app = single()


@app.command(help=_TOP)
def top(ctx: typer.Context) -> int:
    """Watch."""
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        hint = "next: ng-ws status --format json has the same figures"
        raise Failed(Exit.USAGE, "top: expected a terminal, got a pipe or a file", hint)
    try:
        from ..top.screen import Top  # noqa: PLC0415
    except ModuleNotFoundError as fault:
        if fault.name != "textual":
            raise
        hint = "next: pip install 'ng-ws[tui]'"
        raise Failed(Exit.USAGE, "top: expected the library textual, which is not installed", hint) from fault
    Top(ctx.obj).run()
    return Exit.OK
