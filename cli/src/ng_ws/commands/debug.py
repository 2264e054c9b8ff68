"""Options of `ng-ws debug`."""

from typing import Annotated

import typer

from ..arguments import helped, whole
from ..exits import Exit
from ..tree import ENDING, single

_DEBUG = helped(
    "ng-ws debug dump -o node.jsonl", "ng-ws debug dump | jq 'select(.what==\"story\")'", "What a node remembers."
)
_DUMP = helped(
    "ng-ws debug dump -o node.jsonl",
    "ng-ws debug dump | jq -c 'select(.what==\"story\" and .code==4213)'",
    "The flight recorder of a node (role admin): its state, the newest of its log, and the stories of connections, one "
    "JSON object a line.",
)

app = single(_DEBUG)


@app.callback()
def debug() -> None:
    """A group, even with one command."""


@app.command("dump", help=_DUMP, short_help="The flight recorder, as JSON lines.", epilog=ENDING)
def debug_dump(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Option(parser=whole("--limit", 1, 10_000), metavar="N", help="Stories at most.")
    ] = 1000,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")] = None,
) -> int:
    """Dump."""
    from ..inspect_hub import dump  # noqa: PLC0415

    dump(ctx.obj, limit, output)
    return Exit.OK
