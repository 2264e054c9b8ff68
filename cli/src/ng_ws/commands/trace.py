"""Options of `ng-ws trace`."""

from typing import Annotated

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import single

_TRACE = helped(
    "ng-ws trace k3Fq:902",
    "ng-ws trace 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "Where an event is stored and what it says of its origin, and, for role admin, which connections were to get it, "
    "by the flight recorder of the node that answers. What the hub does not know is said.",
)

app = single()


@app.command(help=_TRACE)
def trace(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="POSITION|TRACEPARENT")]) -> int:
    """Trace."""
    from ..trace import trace  # noqa: PLC0415

    trace(ctx.obj, name)
    return Exit.OK
