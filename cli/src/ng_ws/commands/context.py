"""Options of `ng-ws context`."""

from typing import Annotated

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import ENDING, single

_CONTEXT = helped(
    "ng-ws context add dev --url ws://localhost:8000/ws --token-file token.txt",
    "ng-ws --context dev status",
    "Hubs by name, in $XDG_CONFIG_HOME/neurograph/contexts.toml, readable by you alone. A flag, then NG_URL, NG_TOKEN, "
    "NG_FORMAT come before what a context says.",
)
_ADD = helped(
    "ng-ws context add dev --url ws://localhost:8000/ws",
    "ng-ws context add prod --url wss://hub.example/ws --token-file token.txt --format compact",
    "Keep --url, --token (better --token-file or -) and --format, those that are given, under a name. The first one "
    "counts at once.",
)
_USE = helped("ng-ws context use prod", "ng-ws context use dev && ng-ws status", "The one that counts from now on.")
_LS = helped("ng-ws context ls", "ng-ws context ls --format json", "All of them; * marks the one that counts.")
_RM = helped("ng-ws context rm dev", "ng-ws context rm prod -q", "Forget one, its token too.")

app = single(_CONTEXT)


@app.command("add", help=_ADD, short_help="Keep a hub under a name.", epilog=ENDING)
def context_add(ctx: typer.Context, name: Annotated[str, typer.Argument()]) -> int:
    """Add, or replace."""
    from ..context_commands import add  # noqa: PLC0415

    add(ctx.obj, name, ctx.find_root().params)
    return Exit.OK


@app.command("use", help=_USE, short_help="The one that counts.", epilog=ENDING)
def context_use(ctx: typer.Context, name: Annotated[str, typer.Argument()]) -> int:
    """Choose."""
    from ..context_commands import use  # noqa: PLC0415

    use(ctx.obj, name)
    return Exit.OK


@app.command("ls", help=_LS, short_help="All of them.", epilog=ENDING)
def context_ls(ctx: typer.Context) -> int:
    """List."""
    from ..context_commands import ls  # noqa: PLC0415

    ls(ctx.obj)
    return Exit.OK


@app.command("rm", help=_RM, short_help="Forget one.", epilog=ENDING)
def context_rm(ctx: typer.Context, name: Annotated[str, typer.Argument()]) -> int:
    """Remove."""
    from ..context_commands import rm  # noqa: PLC0415

    rm(ctx.obj, name)
    return Exit.OK
