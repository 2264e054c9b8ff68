"""Options of `ng-ws replay`."""

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import single

_REPLAY = helped(
    "NG_TOKEN=$(ng-ws token new --role admin) ng-ws replay signals.jsonl --as signals=actions",
    "ng-ws replay run.jsonl --speed max --to ws://localhost:9000/ws",
    "Publish a recording again: the same events in the same order, at their pace, another, or as fast as the hub takes "
    "them. Needs the right to broadcast. Gaps of the recording are told.",
)

app = single()


@app.command(help=_REPLAY)
def replay(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument()],
    speed: Annotated[str, typer.Option(metavar="X|max", help="How many times as fast, or max.")] = "1",
    to: Annotated[str | None, typer.Option(metavar="URL", help="The hub that gets it [--url].")] = None,
    names: Annotated[
        list[str] | None, typer.Option("--as", metavar="FROM=TO", help="Another channel for one; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be published.")] = False,
) -> int:
    """Replay."""
    from dataclasses import replace  # noqa: PLC0415

    from ..hub import run  # noqa: PLC0415
    from ..recordings.replay import Replaying, names_of, replayed, speed_of  # noqa: PLC0415

    settings = ctx.obj if to is None else replace(ctx.obj, url=to)
    run(replayed(settings, Replaying(file, speed_of(speed), names_of(names or []), dry_run)))
    return Exit.OK
