"""Options of `ng-ws emit`."""

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import helped, json_of, whole
from ..exits import Exit, misused
from ..tree import single

app = single()

_EMIT = helped(
    'ng-ws emit signal.input.text "disk failing on db4" --priority 220',
    "ng-ws emit signal.sensor 0.1,0.5,0.3,0.1,0.9,0.4,0.3,0.7",
    "Send a signal through the SignalSystem: 8 numbers, or a text, or - for every line of stdin. Shows its token, "
    "whether it is new, and what is near. A text goes along as payload, so that others can read it. With --batch every "
    "signal of a file: one JSON a line (8 numbers, a text, or an object with vector or text), or N x 8 of NumPy.",
)


@app.command(help=_EMIT)
def emit(
    ctx: typer.Context,
    event_type: Annotated[str, typer.Argument(metavar="TYPE")],
    signal: Annotated[str | None, typer.Argument(metavar="VECTOR|TEXT|-")] = None,
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
    batch: Annotated[str | None, typer.Option(metavar="FILE", help="Signals of a file: .jsonl or .npy.")] = None,
) -> int:
    """Emit."""
    from ..emit import Emitting, emit  # noqa: PLC0415
    from ..hub import run  # noqa: PLC0415
    from ..publish import tags_of  # noqa: PLC0415

    options = Emitting(
        event_type,
        signal or "",
        priority,
        payload=None if payload is None else json_of("--payload", payload),
        takes_text_along=not no_text,
        is_text=as_text,
        tags=tags_of(tag or []),
    )
    if (signal is None) == (batch is None):
        raise misused("emit", "a signal, or --batch FILE", "neither" if signal is None else "both")
    if batch is None:
        run(emit(ctx.obj, options))
    else:
        from ..batch import emit_file  # noqa: PLC0415 - most emit one signal

        run(emit_file(ctx.obj, options, Path(batch)))
    return Exit.OK
