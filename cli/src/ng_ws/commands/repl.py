"""Options of `ng-ws repl`."""

import typer

from ..arguments import helped
from ..tree import single

_REPL = helped(
    "ng-ws repl",
    "printf '/sub status\\n/ping\\n' | ng-ws repl --format compact",
    "Talk to the hub line by line: follow channels, publish, emit; /help says what can be typed. Also ng-ws -i.",
)

app = single()


@app.command(help=_REPL)
def repl(ctx: typer.Context) -> int:
    """Talk."""
    from ..repl import repl  # noqa: PLC0415

    return repl(ctx.obj)
