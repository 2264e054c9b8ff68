"""Options of `ng-ws ping`."""

from typing import Annotated

import typer

from ..arguments import helped, whole
from ..durations import seconds
from ..exits import Exit
from ..tree import single

app = single()

_PING = helped("ng-ws ping", "ng-ws ping -c 100 --every 50ms --format json", "Measure the time to the hub and back.")
_TOKEN = helped(
    "ng-ws token new --role developer", "ng-ws token check --token-file token.txt", "Credentials: get, read, try."
)


@app.command(help=_PING)
def ping(
    ctx: typer.Context,
    count: Annotated[int, typer.Option("--count", "-c", parser=whole("-c", 1), metavar="N", help="How many.")] = 4,
    every: Annotated[str, typer.Option(help="Pause between them.")] = "500ms",
) -> int:
    """Ping."""
    from ..hub import run  # noqa: PLC0415
    from ..ping import ping  # noqa: PLC0415

    run(ping(ctx.obj, count, seconds("--every", every)))
    return Exit.OK
