"""`ng-ws status`."""

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import single

app = single()

_STATUS = helped("ng-ws status", "ng-ws status --format json | jq .", "Health and figures of the hub.")


@app.command(help=_STATUS)
def status(ctx: typer.Context) -> int:
    """Status."""
    from ..inspect_hub import status  # noqa: PLC0415

    status(ctx.obj)
    return Exit.OK
