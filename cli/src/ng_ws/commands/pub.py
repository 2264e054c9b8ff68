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
    "Store events in a channel: JSON, or a text, or - for every line of stdin; with --media the bytes of a file. A "
    "line of stdin is JSON if all of it is, else a text. DATA that begins like JSON and is none is refused.",
)


@app.command(help=_PUB)
def pub(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument()],
    data: Annotated[str | None, typer.Argument(help="JSON, a text, or - for lines of stdin.")] = None,
    event: Annotated[str, typer.Option(help="Name of the event.")] = "message",
    key: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    mid: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What is run again is not stored twice; of several NAME.1, NAME.2, …"),
    ] = None,
    is_json: Annotated[bool, typer.Option("--json", help="DATA, or each line, is JSON, or a mistake.")] = False,
    is_text: Annotated[
        bool, typer.Option("--text", "--as-text", help="DATA, or each line, is a text, whatever it looks like.")
    ] = False,
    tag: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; repeatable.")] = None,
    repeat: Annotated[int, typer.Option(parser=whole("--repeat", 1), metavar="N", help="How often.")] = 1,
    every: Annotated[str, typer.Option(help="Pause between repeats, like 100ms.")] = "0s",
    media: Annotated[str | None, typer.Option(metavar="FILE", help="An image, sound, anything with a type.")] = None,
    content_type: Annotated[
        str | None, typer.Option(metavar="T", help="Its media type [by the name of the file].")
    ] = None,
    meta: Annotated[list[str] | None, typer.Option(help="NAME=VALUE about media; repeatable.")] = None,
) -> int:
    """Publish."""
    from ..attachment import attachment_of  # noqa: PLC0415
    from ..hub import run  # noqa: PLC0415
    from ..publish import Publishing, publish, tags_of  # noqa: PLC0415
    from ..values import form_of  # noqa: PLC0415

    pause = seconds("--every", every)
    attached = attachment_of(media, content_type, meta or [], has_data=data is not None)
    options = Publishing(
        channel,
        data,
        event=event,
        key=key,
        mid=mid,
        form=form_of(is_json=is_json, is_text=is_text),
        tags=tags_of(tag or []),
        repeat=repeat,
        every=pause,
        attachment=attached,
    )
    run(publish(ctx.obj, options))
    return Exit.OK
