"""Options of `ng-ws channels`."""

from typing import Annotated

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import single

app = single()

_CHANNELS = helped("ng-ws channels", "ng-ws channels signals --format json", "Channels with positions and subscribers.")


@app.command(help=_CHANNELS)
def channels(ctx: typer.Context, channel: Annotated[str | None, typer.Argument()] = None) -> int:
    """Channels."""
    from ..inspect_hub import channels  # noqa: PLC0415

    channels(ctx.obj, channel)
    return Exit.OK
