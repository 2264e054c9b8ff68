"""The command tree. Each command reads its options and hands over; what it needs is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from .app_verify import add_verify
from .arguments import above_zero, helped, json_of, whole
from .durations import seconds
from .exits import Exit
from .settings import DEFAULT_URL, Flags, Format, Settings, format_of, resolved

_ENDING = "Global options (ng-ws --help) may stand before or after the command."


_LISTEN = helped(
    "ng-ws --subscribe metrics,signals --format compact",
    "ng-ws --url ws://localhost:8000/ws --subscribe signals --format json | jq -c .data",
    "Listen to a NeuroGraph Hub, publish to it, emit signals. Without a command it listens: to the channels of "
    "--subscribe, else to every channel the role may read; the options of ng-ws sub (-n, --for, --from, …) hold here "
    "too. Data goes to stdout, everything else to stderr.",
)
_SUB = helped(
    "ng-ws sub metrics signals",
    "ng-ws sub signals --from last:100 -n 100 --format json | jq -c .data",
    "Follow channels. Lost connections are told and opened again; what was missed is told.",
)
_PUB = helped(
    """ng-ws pub actions '{"service":"api"}' --event deploy.started --tag env=prod""",
    "tail -f app.log | ng-ws pub logs - --event app.line",
    "Store events in a channel: JSON, or a text, or - for every line of stdin.",
)
_EMIT = helped(
    'ng-ws emit signal.input.text "disk failing on db4" --priority 220',
    "ng-ws emit signal.sensor 0.1,0.5,0.3,0.1,0.9,0.4,0.3,0.7",
    "Send a signal through the SignalSystem: 8 numbers, or a text, or - for every line of stdin. Shows its token, "
    "whether it is new, and what is near. A text goes along as payload, so that others can read it.",
)
_PING = helped("ng-ws ping", "ng-ws ping -c 100 --every 50ms --format json", "Measure the time to the hub and back.")
_TOKEN = helped(
    "ng-ws token new --role developer", "ng-ws token check --token-file token.txt", "Credentials: get, read, try."
)
_TOKEN_NEW = helped(
    "export NG_TOKEN=$(ng-ws token new --role bot)",
    "ng-ws token new --user ann > token.txt",
    "Ask the hub's own issuer for a token. It exists in development; in production ask your identity provider.",
)
_TOKEN_SHOW = helped(
    "ng-ws token show eyJ…",
    "ng-ws token new --role bot | ng-ws token show -",
    "What a token says about itself, without checking it.",
)
_TOKEN_CHECK = helped(
    "NG_TOKEN=eyJ… ng-ws token check",
    "ng-ws token check --token-file token.txt --format json",
    "Connect with the token and say who the hub takes it for, and with which rights.",
)
_STATUS = helped("ng-ws status", "ng-ws status --format json | jq .", "Health and figures of the hub.")
_CHANNELS = helped("ng-ws channels", "ng-ws channels signals --format json", "Channels with positions and subscribers.")
_CONNS = helped("ng-ws conns --role bot", "ng-ws conns --kick c-8f2a41", "Connections of the hub (role admin).")


class HelpAsked:
    """Given as the context's object where the help of a command is wanted."""


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
token = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(token, name="token", help=_TOKEN, short_help="Get, read and try credentials.", epilog=_ENDING)


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
            metavar="pretty|json|compact",
            help="[NG_FORMAT; pretty on a terminal, json into a pipe]",
        ),
    ] = None,
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
    )
    # Neither help nor `token new` uses the variable that is still empty.
    needs_token = ctx.invoked_subcommand != "token" and not ctx.find_object(HelpAsked)
    ctx.obj = resolved(flags, needs_token=needs_token)
    if ctx.invoked_subcommand is not None:
        return None
    from .hub import run  # noqa: PLC0415
    from .listen import Listening, listen  # noqa: PLC0415

    return run(listen(ctx.obj, Listening(channels=ctx.obj.subscribe)))


@app.command(help=_SUB, short_help="Follow channels.", epilog=_ENDING)
def sub(
    ctx: typer.Context,
    channels: Annotated[list[str] | None, typer.Argument(metavar="CHANNEL")] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help=(
                "new, snapshot, last:N (up to what the hub replays), since:10m or since:2026-11-28T23:26:00 (this "
                "machine's time; or with Z or +02:00), or a position."
            ),
        ),
    ] = None,
    delivery: Annotated[str | None, typer.Option(help="all or latest.")] = None,
    max_rate: Annotated[
        float | None,
        typer.Option(
            parser=above_zero("--max-rate", "events per second"),
            metavar="RATE",
            help="Events per second, with --delivery latest.",
        ),
    ] = None,
    ack: Annotated[
        int | None,
        typer.Option(
            parser=whole("--ack", 1, 10_000),
            metavar="N",
            help="Let the hub send only N events ahead of what is written.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", parser=whole("-n", 1), metavar="N", help="End after so many events."),
    ] = None,
    duration: Annotated[str | None, typer.Option("--for", help="End after this time, like 30s.")] = None,
    fail_on_gap: Annotated[bool, typer.Option("--fail-on-gap", help="Exit with 8 if anything was missed.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write data to a file.")] = None,
) -> int:
    """Follow channels."""
    from .hub import run  # noqa: PLC0415
    from .listen import Listening, delivery_of, listen, start_of  # noqa: PLC0415

    settings: Settings = ctx.obj
    named = tuple(name for names in channels or () for name in names.split(",") if name)
    options = Listening(
        channels=tuple(dict.fromkeys((*settings.subscribe, *named))),
        start=start_of(start, len({*settings.subscribe, *named})),
        delivery=delivery_of(delivery),
        max_rate=max_rate,
        ack=ack,
        count=count,
        duration=None if duration is None else seconds("--for", duration),
        fail_on_gap=fail_on_gap,
        output=output,
    )
    return run(listen(settings, options))


@app.command(help=_PUB, short_help="Store events in a channel.", epilog=_ENDING)
def pub(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument()],
    data: Annotated[str | None, typer.Argument(help="JSON, a text, or - for lines of stdin.")] = None,
    event: Annotated[str, typer.Option(help="Name of the event.")] = "message",
    key: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; repeatable.")] = None,
    repeat: Annotated[int, typer.Option(parser=whole("--repeat", 1), metavar="N", help="How often.")] = 1,
    every: Annotated[str, typer.Option(help="Pause between repeats, like 100ms.")] = "0s",
) -> int:
    """Publish."""
    from .hub import run  # noqa: PLC0415
    from .publish import Publishing, publish, tags_of  # noqa: PLC0415

    pause = seconds("--every", every)
    run(publish(ctx.obj, Publishing(channel, data, event, key, tags_of(tag or []), repeat, pause)))
    return Exit.OK


@app.command(help=_EMIT, short_help="Send a signal through the SignalSystem.", epilog=_ENDING)
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
    from .emit import Emitting, emit  # noqa: PLC0415
    from .hub import run  # noqa: PLC0415
    from .publish import tags_of  # noqa: PLC0415

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


@app.command(help=_PING, short_help="Measure the time to the hub and back.", epilog=_ENDING)
def ping(
    ctx: typer.Context,
    count: Annotated[int, typer.Option("--count", "-c", parser=whole("-c", 1), metavar="N", help="How many.")] = 4,
    every: Annotated[str, typer.Option(help="Pause between them.")] = "500ms",
) -> int:
    """Ping."""
    from .hub import run  # noqa: PLC0415
    from .ping import ping  # noqa: PLC0415

    run(ping(ctx.obj, count, seconds("--every", every)))
    return Exit.OK


@token.command("new", help=_TOKEN_NEW, short_help="Ask the hub for one.", epilog=_ENDING)
def token_new(
    ctx: typer.Context,
    role: Annotated[str | None, typer.Option(help="The role it shall have.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose it is [the name of the role].")] = None,
    password: Annotated[str | None, typer.Option(help="[NG_PASSWORD, or asked for]")] = None,
) -> int:
    """Get a token."""
    from .tokens import new  # noqa: PLC0415

    new(ctx.obj, role, user, password)
    return Exit.OK


@token.command("show", help=_TOKEN_SHOW, short_help="Read one without checking it.", epilog=_ENDING)
def token_show(ctx: typer.Context, token: Annotated[str | None, typer.Argument()] = None) -> int:
    """Read a token."""
    from .tokens import show  # noqa: PLC0415

    show(ctx.obj, token)
    return Exit.OK


@token.command("check", help=_TOKEN_CHECK, short_help="Try one on the hub.", epilog=_ENDING)
def token_check(ctx: typer.Context, token: Annotated[str | None, typer.Argument()] = None) -> int:
    """Try a token."""
    from .hub import run  # noqa: PLC0415
    from .tokens import check, with_token  # noqa: PLC0415

    run(check(with_token(ctx.obj, token)))
    return Exit.OK


@app.command(help=_STATUS, short_help="Health and figures of the hub.", epilog=_ENDING)
def status(ctx: typer.Context) -> int:
    """Status."""
    from .inspect_hub import status  # noqa: PLC0415

    status(ctx.obj)
    return Exit.OK


@app.command(help=_CHANNELS, short_help="Channels with positions and subscribers.", epilog=_ENDING)
def channels(ctx: typer.Context, channel: Annotated[str | None, typer.Argument()] = None) -> int:
    """Channels."""
    from .inspect_hub import channels  # noqa: PLC0415

    channels(ctx.obj, channel)
    return Exit.OK


@app.command(help=_CONNS, short_help="Connections of the hub.", epilog=_ENDING)
def conns(
    ctx: typer.Context,
    role: Annotated[str | None, typer.Option(help="Only those of a role.")] = None,
    kick: Annotated[str | None, typer.Option(metavar="ID", help="Close this one.")] = None,
) -> int:
    """Connections."""
    from .inspect_hub import conns  # noqa: PLC0415

    conns(ctx.obj, role, kick)
    return Exit.OK


add_verify(app, _ENDING)
