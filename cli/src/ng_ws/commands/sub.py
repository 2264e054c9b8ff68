"""Options of `ng-ws sub`, which hold too where nothing but listening is asked for."""

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import above_zero, helped, whole
from ..durations import seconds
from ..exits import Exit
from ..tree import single

_SUB = helped(
    "ng-ws sub metrics signals",
    "ng-ws sub signals --filter 'is_novel and priority >= 200' -n 100 | jq -c .data",
    "Follow channels. Lost connections are told and opened again; what was missed is told.",
)

app = single()


@app.command(help=_SUB)
def sub(
    ctx: typer.Context,
    channels: Annotated[list[str] | None, typer.Argument(metavar="CHANNEL")] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="START",
            help=(
                "new, snapshot, last:N (up to what the hub replays), since:10m or since:2026-11-28T23:26:00 (this "
                "machine's time; or with Z or +02:00), or a position."
            ),
        ),
    ] = None,
    filter: Annotated[  # noqa: A002 - the protocol's word
        str | None,
        typer.Option(
            "--filter",
            metavar="EXPR|JSON|@FILE",
            help="""Only what fits, like 'is_novel and priority >= 150', 'event ~ "signal.*"', 'dim.social > 0.8'.""",
        ),
    ] = None,
    near: Annotated[
        str | None, typer.Option(metavar="TEXT|VECTOR", help="Only signals near a text, or 8 numbers.")
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option(
            parser=above_zero("--radius", "a distance", or_zero=True), metavar="R", help="How near; 0.12 unless told."
        ),
    ] = None,
    explain_filter: Annotated[
        bool, typer.Option("--explain-filter", help="Show the filter as the hub gets it, and end.")
    ] = False,
    delivery: Annotated[str | None, typer.Option(metavar="all|latest", help="all or latest.")] = None,
    max_rate: Annotated[
        float | None,
        typer.Option(
            parser=above_zero("--max-rate", "events per second"),
            metavar="RATE",
            help="Events per second, with --delivery latest.",
        ),
    ] = None,
    ack: Annotated[
        int | None,
        typer.Option(
            parser=whole("--ack", 1, 10_000),
            metavar="N",
            help="Let the hub send only N events ahead of what is written.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", parser=whole("-n", 1), metavar="N", help="End after so many events."),
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="End after this time, like 30s.")
    ] = None,
    fields: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these: members of the data, or event, key, ts, position, …")
    ] = None,
    rate: Annotated[bool, typer.Option("--rate", help="Not the events, but how many there are each second.")] = False,
    fail_on_gap: Annotated[bool, typer.Option("--fail-on-gap", help="Exit with 8 if anything was missed.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write data to a file.")] = None,
) -> int:
    """Follow channels."""
    from ..hub import run  # noqa: PLC0415
    from ..listen import listen  # noqa: PLC0415
    from ..listening import Choice, Listening, delivery_of, fields_of, start_of  # noqa: PLC0415

    settings = ctx.obj
    named = tuple(name for names in channels or () for name in names.split(",") if name)
    followed = tuple(dict.fromkeys((*settings.subscribe, *named)))
    choice = Choice.read(settings, followed, filter, near, radius)
    if explain_filter:
        choice.explain()
        return Exit.OK
    options = Listening(
        channels=followed,
        start=start_of(start, len(followed)),
        filter=choice.filter,
        is_near=near is not None,
        delivery=delivery_of(delivery),
        max_rate=max_rate,
        ack=ack,
        count=count,
        duration=None if duration is None else seconds("--for", duration),
        fields=fields_of(fields),
        shows_rate=rate,
        fail_on_gap=fail_on_gap,
        output=output,
    )
    return run(listen(settings, options))
