"""`ng-ws status`."""

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import single

app = single()

_STATUS = helped("ng-ws status", "ng-ws status --format json | jq .", "Health and figures of the hub.")
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


@app.command(help=_STATUS)
def status(ctx: typer.Context) -> int:
    """Status."""
    from ..inspect_hub import status  # noqa: PLC0415

    status(ctx.obj)
    return Exit.OK
