"""Options of `ng-ws record`."""

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import helped, whole
from ..durations import seconds
from ..tree import single

_RECORD = helped(
    "ng-ws record signals.jsonl signals --for 1m",
    "ng-ws record - metrics signals --from last:100 -n 500 | gzip > run.jsonl.gz",
    "Keep what channels carry, one JSON object a line: events as they came, with position and time, and gaps where "
    "something is missing. - writes to stdout. Ctrl-C ends it in order.",
)

app = single()


@app.command(help=_RECORD)
def record(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|-")],
    channels: Annotated[list[str], typer.Argument(metavar="CHANNEL...")],
    start: Annotated[
        str | None, typer.Option("--from", metavar="START", help="As of ng-ws sub: last:N, since:10m, …")
    ] = None,
    choice: Annotated[str | None, typer.Option("--filter", metavar="EXPR|JSON|@FILE", help="As of ng-ws sub.")] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", parser=whole("-n", 1), metavar="N", help="End after so many events.")
    ] = None,
    duration: Annotated[str | None, typer.Option("--for", metavar="TIME", help="End after this time.")] = None,
    fail_on_gap: Annotated[bool, typer.Option("--fail-on-gap", help="Exit with 8 if anything was missed.")] = False,
) -> int:
    """Record."""
    from neurograph_ws_client.urls import masked  # noqa: PLC0415

    from ..hub import run  # noqa: PLC0415
    from ..listen import listen  # noqa: PLC0415
    from ..listening import Choice, Listening, start_of  # noqa: PLC0415
    from ..recordings.form import Writer  # noqa: PLC0415

    followed = tuple(dict.fromkeys(name for names in channels for name in names.split(",") if name))
    options = Listening(
        channels=followed,
        start=start_of(start, len(followed)),
        filter=Choice.read(ctx.obj, followed, choice, None, None).filter,
        count=count,
        duration=None if duration is None else seconds("--for", duration),
        fail_on_gap=fail_on_gap,
        output=None if file == "-" else Path(file),
    )
    return run(listen(ctx.obj, options, Writer(masked(ctx.obj.url), followed)))
