"""Options of `ng-ws doctor`."""

from typing import Annotated

import typer

from ..arguments import helped
from ..durations import seconds
from ..tree import single

_DOCTOR = helped(
    "ng-ws doctor",
    "ng-ws doctor wss://hub.example/ws --origin https://app.example --idle 70s",
    "What is wrong between here and the hub, a sentence each with the next thing to try: URL, proxy, name, port, TLS, "
    "token, upgrade, subprotocol, origin, deflate, login, version, rights, ping, clock, large frames, silence, REST. "
    "Exit code 0 if nothing failed.",
)

app = single()


@app.command(help=_DOCTOR)
def doctor(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Argument(help="[--url]")] = None,
    origin: Annotated[
        str | None, typer.Option(metavar="ORIGIN", help="Whether a page of this origin may connect.")
    ] = None,
    idle: Annotated[
        str, typer.Option(metavar="TIME", help="Also stay silent for so long, like 70s, to find who cuts idle ones.")
    ] = "0s",
) -> int:
    """Examine."""
    from dataclasses import replace  # noqa: PLC0415

    from ..doctor import doctor  # noqa: PLC0415
    from ..hub import run  # noqa: PLC0415

    settings = ctx.obj if url is None else replace(ctx.obj, url=url)
    return run(doctor(settings, origin, seconds("--idle", idle)))
