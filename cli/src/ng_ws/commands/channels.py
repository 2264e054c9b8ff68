"""Options of `ng-ws channels`."""

from typing import Annotated

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import single

app = single()

_CHANNELS = helped("ng-ws channels", "ng-ws channels signals --format json", "Channels with positions and subscribers.")
_CONNS = helped("ng-ws conns --role bot", "ng-ws conns --kick c-8f2a41", "Connections of the hub (role admin).")


class HelpAsked:
    """Given as the context's object where the help of a command is wanted."""


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(help=_CHANNELS)
def channels(ctx: typer.Context, channel: Annotated[str | None, typer.Argument()] = None) -> int:
    """Channels."""
    from ..inspect_hub import channels  # noqa: PLC0415

    channels(ctx.obj, channel)
    return Exit.OK
