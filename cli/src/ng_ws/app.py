"""The program: its global options, and what it does without a command. The commands themselves are in `commands`."""

from pathlib import Path
from typing import Annotated

import typer

from .arguments import above_zero, helped
from .settings import DEFAULT_URL, Flags, Format, format_of, resolved
from .tree import Tree

_LISTEN = helped(
    "ng-ws --subscribe metrics,signals --format compact",
    "ng-ws --url ws://localhost:8000/ws --subscribe signals --format json | jq -c .data",
    "Listen to a NeuroGraph Hub, publish to it, emit signals. Without a command it listens: to the channels of "
    "--subscribe, else to every channel the role may read; the options of ng-ws sub (-n, --for, --from, …) hold here "
    "too. Data goes to stdout, everything else to stderr.",
)


class HelpAsked:
    """Given as the context's object where the help of a command is wanted."""


app = typer.Typer(
    cls=Tree,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(help=_LISTEN)
def listen_by_default(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option(help=f"Address of the hub [NG_URL, {DEFAULT_URL}].")] = None,
    subscribe: Annotated[list[str] | None, typer.Option(help="Channels, comma between them; repeatable.")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="JWT or API key; - reads it from stdin. Others on this machine can see arguments: better NG_TOKEN or "
            "--token-file."
        ),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the token.")] = None,
    format: Annotated[  # noqa: A002 - the documents' name of the option
        Format | None,
        typer.Option(
            parser=format_of,
            metavar="pretty|json|compact|raw",
            help="raw: of events their data alone [NG_FORMAT; pretty on a terminal, json into a pipe].",
        ),
    ] = None,
    context: Annotated[
        str | None, typer.Option(metavar="NAME", help="Address, token and format of that name [NG_CONTEXT].")
    ] = None,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="As ng-ws repl.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every message, on stderr.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings on stderr.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour [NO_COLOR].")] = False,
    timeout: Annotated[
        float,
        typer.Option(
            parser=above_zero("--timeout", "seconds"),
            metavar="SECONDS",
            help="How long to wait for a connection or an answer.",
        ),
    ] = 5.0,
    no_reconnect: Annotated[bool, typer.Option("--no-reconnect", help="End when the connection is lost.")] = False,
    insecure: Annotated[bool, typer.Option("--insecure", help="Take any TLS certificate.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> int | None:
    """Read the global options; without a command, listen."""
    if version:
        from ._version import __version__  # noqa: PLC0415

        typer.echo(f"ng-ws {__version__}")
        raise typer.Exit
    flags = Flags(
        url=url,
        subscribe=tuple(subscribe or ()),
        token=token,
        token_file=token_file,
        format=format,
        is_verbose=verbose,
        is_quiet=quiet,
        no_color=no_color,
        timeout=timeout,
        no_reconnect=no_reconnect,
        is_insecure=insecure,
        context=context,
    )
    # Neither help nor `token new` uses the variable that is still empty.
    needs_token = ctx.invoked_subcommand not in {"token", "context", "completion"} and not ctx.find_object(HelpAsked)
    ctx.obj = resolved(flags, needs_token=needs_token, has_context=ctx.invoked_subcommand != "context")
    if ctx.invoked_subcommand is not None:
        return None
    if interactive:
        from .repl import repl  # noqa: PLC0415

        return repl(ctx.obj)
    from .hub import run  # noqa: PLC0415
    from .listen import listen  # noqa: PLC0415
    from .listening import Listening  # noqa: PLC0415

    return run(listen(ctx.obj, Listening(channels=ctx.obj.subscribe)))
