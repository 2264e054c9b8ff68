"""Options of `ng-ws history`."""

from typing import Annotated

import typer

from ..arguments import helped, whole
from ..exits import Exit
from ..tree import single

_HISTORY = helped(
    "ng-ws history signals --last 20",
    "ng-ws history logs --from k3Fq:902 --format json | jq -c .data",
    "The newest entries of a channel, oldest first, or those after a position; then it ends.",
)

app = single()


@app.command(help=_HISTORY)
def history(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument()],
    last: Annotated[int, typer.Option(parser=whole("--last", 1, 1000), metavar="N", help="How many at most.")] = 100,
    start: Annotated[str | None, typer.Option("--from", metavar="POSITION", help="Those after this place.")] = None,
) -> int:
    """Read the past."""
    from ..inspect_hub import history  # noqa: PLC0415

    history(ctx.obj, channel, last, start)
    return Exit.OK
