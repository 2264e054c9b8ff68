"""Options of `ng-ws conns`."""

from typing import Annotated

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import single

app = single()

_CONNS = helped(
    "ng-ws conns --role bot",
    "ng-ws conns --kick c-8f2a41",
    "Connections of the hub (role admin). Why one got what it got: ng-ws explain ID.",
)


@app.command(help=_CONNS)
def conns(
    ctx: typer.Context,
    role: Annotated[str | None, typer.Option(help="Only those of a role.")] = None,
    user: Annotated[str | None, typer.Option(help="Only those of a user.")] = None,
    kick: Annotated[str | None, typer.Option(metavar="ID", help="Close this one.")] = None,
) -> int:
    """Connections."""
    from ..inspect_hub import conns  # noqa: PLC0415

    conns(ctx.obj, role, user, kick)
    return Exit.OK
