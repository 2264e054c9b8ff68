"""Options of `ng-ws explain`."""

from typing import Annotated

import typer

from ..arguments import helped, whole
from ..exits import Exit
from ..tree import single

_EXPLAIN = helped(
    "ng-ws explain c-8f2a41",
    "ng-ws explain ann --format json | jq .records",
    "Why a client got what it got: what it subscribed, which gap it got and why, what was refused, when it was slow, "
    "and why it ended. For a connection, a session or a user, also after it has gone (role admin).",
)

app = single()


@app.command(help=_EXPLAIN)
def explain(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CONNECTION|SESSION|USER")],
    limit: Annotated[
        int, typer.Option(parser=whole("--limit", 1, 100), metavar="N", help="Stories of each node at most.")
    ] = 5,
) -> int:
    """Explain."""
    from ..explain import explain  # noqa: PLC0415

    explain(ctx.obj, name, limit)
    return Exit.OK
