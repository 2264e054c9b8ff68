"""Options of `ng-ws pub`."""

from typing import Annotated

import typer

from ..arguments import helped, whole
from ..durations import seconds
from ..exits import Exit
from ..tree import single

app = single()

_PUB = helped(
    """ng-ws pub actions '{"service":"api"}' --event deploy.started --tag env=prod""",
    "tail -f app.log | ng-ws pub logs - --event app.line",
    "Store events in a channel: JSON, or a text, or - for every line of stdin.",
)


@app.command(help=_PUB)
def pub(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument()],
    data: Annotated[str | None, typer.Argument(help="JSON, a text, or - for lines of stdin.")] = None,
    event: Annotated[str, typer.Option(help="Name of the event.")] = "message",
    key: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; repeatable.")] = None,
    repeat: Annotated[int, typer.Option(parser=whole("--repeat", 1), metavar="N", help="How often.")] = 1,
    every: Annotated[str, typer.Option(help="Pause between repeats, like 100ms.")] = "0s",
) -> int:
    """Publish."""
    from ..hub import run  # noqa: PLC0415
    from ..publish import Publishing, publish, tags_of  # noqa: PLC0415

    pause = seconds("--every", every)
    run(publish(ctx.obj, Publishing(channel, data, event, key, tags_of(tag or []), repeat, pause)))
    return Exit.OK
