"""Options of `ng-ws verify`."""

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import above_zero, helped, whole
from ..tree import single

app = single()

_VERIFY = helped(
    "ng-ws verify --for 30s --seed 7 --nodes 2",
    "ng-ws verify --url ws://localhost:8000/ws --channels room:verify --fault cut,stall,slow",
    "Check what a hub delivers: publishers and subscribers at work, faults between them and the hub, and rules that "
    "say from their history alone whether anything was lost, repeated, reordered or missed in silence. Starts a hub of "
    "its own unless --url or NG_URL names one; with --nodes several that share a Redis, started with them, and faults "
    "of that too. Exit code 0: passed; 8: a rule is broken, shown with the lines that "
    "prove it and the seed that repeats the run; 1: too little was confirmed to say so.",
)


@app.command(help=_VERIFY)
def verify(
    ctx: typer.Context,
    clients: Annotated[int, typer.Option(parser=whole("--clients", 1, 2000), metavar="N", help="Subscribers.")] = 14,
    publishers: Annotated[int, typer.Option(parser=whole("--publishers", 1, 100), metavar="N", help="Publishers.")] = 3,
    channels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Names, comma between them; repeatable; needed where --url or NG_URL names a hub. For a hub of its "
            "own only: how many [2].",
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(
            parser=above_zero("--rate", "entries per second"),
            metavar="RATE",
            help="Entries a second, of all publishers.",
        ),
    ] = 60.0,
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="How long faults go on, like 30s.")] = "1m",
    seed: Annotated[
        list[int] | None,
        typer.Option(parser=whole("--seed", 0), metavar="N", help="What decides the schedule; repeatable [random]."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KINDS",
            help="cut, rst, stall, hole, refuse, delay, jitter, slice, slow; with a hub of our own kill, stop, pause; "
            "with --nodes partition, deaf, redis-pause, redis-kill, redis-empty, flush, del, failover; or none; "
            "repeatable [all that can be had].",
        ),
    ] = None,
    start_hub: Annotated[bool, typer.Option("--start-hub", help="A hub of our own, whatever NG_URL says.")] = False,
    hub_command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="How it is started [neurograph-hub].")
    ] = None,
    nodes: Annotated[
        int, typer.Option(parser=whole("--nodes", 1, 8), metavar="N", help="Hubs of our own that share a Redis [1].")
    ] = 1,
    redis_server: Annotated[
        str | None, typer.Option(metavar="PATH", help="The redis-server to start for them [REDIS_SERVER, or on PATH].")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what happened, one JSON object a line.")
    ] = None,
) -> int:
    """Verify."""
    from ..hub import run  # noqa: PLC0415
    from ..verify.command import Asked, planned, verify  # noqa: PLC0415

    how = (start_hub, hub_command, history, nodes, redis_server)
    asked = Asked(clients, publishers, channels, rate, duration, seed, fault, *how)
    is_named = ctx.find_root().params.get("url") is not None
    return run(verify(ctx.obj, planned(ctx.obj, asked, is_named=is_named)))
