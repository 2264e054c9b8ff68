"""Options of `ng-ws diff`."""

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import helped
from ..tree import single

_DIFF = helped(
    "ng-ws diff monday.jsonl tuesday.jsonl",
    "ng-ws diff a.jsonl b.jsonl --format json | jq -c 'select(.what==\"only_a\")'",
    "What differs between two recordings: by place where both are of one history of the channel, else by content in "
    "order, as of a replay. Exit code 1 if anything does.",
)

app = single()


@app.command(help=_DIFF)
def diff(ctx: typer.Context, a: Annotated[Path, typer.Argument()], b: Annotated[Path, typer.Argument()]) -> int:
    """Compare."""
    from ..recordings.diff import diff  # noqa: PLC0415

    return diff(ctx.obj, a, b)
