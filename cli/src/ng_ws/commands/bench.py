"""Options of `ng-ws bench`."""

from typing import Annotated, Any

import typer

from ..arguments import above_zero, helped, whole
from ..exits import misused
from ..tree import single

KINDS = ("pub", "sub", "emit", "conn")

_BENCH = helped(
    "NG_TOKEN=$(ng-ws token new --role admin) ng-ws bench sub -c 50 -n 100",
    "ng-ws bench pub -c 4 -n 200 --rate 36 --size 512 --format json",
    "Measure through the hub. pub: publishes until stored. sub: one publisher, until each of -c subscribers has it. "
    "emit: signals until processed. conn: connections until welcome. Open loop within what the hub's buckets allow; "
    "a hub on another machine only with --yes.",
)

app = single()


@app.command(help=_BENCH)
def bench(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="pub|sub|emit|conn")],
    clients: Annotated[
        int, typer.Option("--clients", "-c", parser=whole("-c", 1, 1_000), metavar="N", help="Connections.")
    ] = 10,
    events: Annotated[
        int,
        typer.Option("--events", "-n", parser=whole("-n", 1, 100_000), metavar="N", help="Events, of all together."),
    ] = 100,
    rate: Annotated[
        float | None,
        typer.Option(
            parser=above_zero("--rate", "events per second"),
            metavar="R",
            help="A second, of all together [what the hub allows; conn: 50].",
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(parser=whole("--size", 0, 65_536), metavar="BYTES", help="Of the data of an event.")
    ] = 128,
    channel: Annotated[str, typer.Option(help="Where it is published.")] = "actions",
    yes: Annotated[bool, typer.Option("--yes", help="Also put another machine under load.")] = False,
) -> int:
    """Measure."""
    from ..bench.plan import Plan, check  # noqa: PLC0415
    from ..bench.results import tell  # noqa: PLC0415
    from ..bench.runs import run as measure  # noqa: PLC0415
    from ..hub import run  # noqa: PLC0415

    if kind not in KINDS:
        raise misused("bench", "pub, sub, emit or conn", kind)
    named: Any = kind
    plan = Plan(named, channel, clients, events, rate, size, is_confirmed=yes)
    check(ctx.obj, plan)
    results, node = run(measure(ctx.obj, plan))
    return tell(ctx.obj, plan, results, node)
