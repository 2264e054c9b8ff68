"""Options of `ng-ws emit`."""

from typing import Annotated

import typer

from ..arguments import helped, json_of, whole
from ..exits import Exit
from ..tree import single

app = single()

_EMIT = helped(
    'ng-ws emit signal.input.text "disk failing on db4" --priority 220',
    "ng-ws emit signal.sensor 0.1,0.5,0.3,0.1,0.9,0.4,0.3,0.7",
    "Send a signal through the SignalSystem: 8 numbers, or a text, or - for every line of stdin. Shows its token, "
    "whether it is new, and what is near. A text goes along as payload, so that others can read it.",
)


@app.command(help=_EMIT)
def emit(
    ctx: typer.Context,
    event_type: Annotated[str, typer.Argument(metavar="TYPE")],
    signal: Annotated[str, typer.Argument(metavar="VECTOR|TEXT|-")],
    priority: Annotated[
        int | None,
        typer.Option(
            parser=whole("--priority", 0, 255), metavar="N", help="0 to 255 [200 for a text, 128 for a vector]."
        ),
    ] = None,
    payload: Annotated[
        str | None, typer.Option(metavar="JSON", help="What goes with it; to an object the text is added as `text`.")
    ] = None,
    no_text: Annotated[bool, typer.Option("--no-text", help="Send the vector of the text, not the text.")] = False,
    as_text: Annotated[bool, typer.Option("--as-text", help="It is a text, even if it looks like numbers.")] = False,
    tag: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; repeatable.")] = None,
) -> int:
    """Emit."""
    from ..emit import Emitting, emit  # noqa: PLC0415
    from ..hub import run  # noqa: PLC0415
    from ..publish import tags_of  # noqa: PLC0415

    options = Emitting(
        event_type,
        signal,
        priority,
        payload=None if payload is None else json_of("--payload", payload),
        takes_text_along=not no_text,
        is_text=as_text,
        tags=tags_of(tag or []),
    )
    run(emit(ctx.obj, options))
    return Exit.OK
