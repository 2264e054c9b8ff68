"""Options of `ng-ws tokens`."""

from typing import Annotated

import typer

from ..arguments import above_zero, helped, whole
from ..exits import Exit, misused
from ..tree import single

_TOKENS = helped(
    "ng-ws tokens --filter 'is_novel and priority >= 200'",
    'ng-ws tokens near "disk failing on db4" -k 5',
    "The newest tokens of the SignalSystem, or those nearest to a text or to 8 numbers between commas.",
)

app = single()
app.info.no_args_is_help = False


@app.command(help=_TOKENS)
def tokens(
    ctx: typer.Context,
    near: Annotated[str | None, typer.Argument(metavar="near", help="Ask for what is near.")] = None,
    around: Annotated[str | None, typer.Argument(metavar="VECTOR|TEXT")] = None,
    limit: Annotated[int, typer.Option(parser=whole("--limit", 1, 1000), metavar="N", help="How many at most.")] = 20,
    k: Annotated[int, typer.Option("-k", parser=whole("-k", 1, 64), metavar="N", help="How many neighbours.")] = 10,
    radius: Annotated[
        float | None,
        typer.Option(
            parser=above_zero("--radius", "a distance", or_zero=True), metavar="R", help="Neighbours no further away."
        ),
    ] = None,
    as_text: Annotated[bool, typer.Option("--as-text", help="It is a text, even if it looks like numbers.")] = False,
    filter: Annotated[  # noqa: A002 - the protocol's word
        str | None,
        typer.Option(
            "--filter",
            metavar="EXPR|JSON|@FILE",
            help="""Only tokens that fit, like 'priority >= 150 and event ^= "signal."'.""",
        ),
    ] = None,
) -> int:
    """Tokens."""
    from ..listening import Choice  # noqa: PLC0415
    from ..space import near as near_to  # noqa: PLC0415
    from ..space import tokens  # noqa: PLC0415

    if near is None:
        tokens(ctx.obj, limit, Choice.read(ctx.obj, ("signals",), filter, None, None).filter)
    elif filter is not None:
        raise misused("tokens", "near or --filter", "both")
    elif near != "near" or around is None:
        raise misused(
            "tokens", "nothing, or near and a text or 8 numbers", near if around is None else f"{near} {around}"
        )
    else:
        near_to(ctx.obj, around, k, radius, is_text=as_text)
    return Exit.OK
