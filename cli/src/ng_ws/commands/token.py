"""Options of `ng-ws token`."""

from typing import Annotated

import typer

from ..arguments import helped
from ..exits import Exit
from ..tree import ENDING, single

_TOKEN = helped(
    "ng-ws token new --role developer", "ng-ws token check --token-file token.txt", "Credentials: get, read, try."
)
app = single(_TOKEN)

_TOKEN_NEW = helped(
    "export NG_TOKEN=$(ng-ws token new --role bot)",
    "ng-ws token new --role bot --user u1 --ttl 1h > token.txt",
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

_TOKEN_REVOKE = helped(
    "ng-ws token revoke 7c1fa2b84e4c",
    "ng-ws token revoke --user ann",
    "Void a token by its id (jti), or everything a user was issued until now (role admin).",
)


@app.command("new", help=_TOKEN_NEW, short_help="Ask the hub for one.", epilog=ENDING)
def token_new(
    ctx: typer.Context,
    role: Annotated[str | None, typer.Option(help="The role it shall have.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose it is [the name of the role].")] = None,
    password: Annotated[str | None, typer.Option(help="[NG_PASSWORD, or asked for]")] = None,
    ttl: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long it shall live, like 1h [NG_TOKEN_TTL of the hub].")
    ] = None,
) -> int:
    """Get a token."""
    from ..durations import seconds  # noqa: PLC0415
    from ..tokens import new  # noqa: PLC0415

    new(ctx.obj, role, user, password, None if ttl is None else seconds("--ttl", ttl))
    return Exit.OK


@app.command("show", help=_TOKEN_SHOW, short_help="Read one without checking it.", epilog=ENDING)
def token_show(ctx: typer.Context, token: Annotated[str | None, typer.Argument()] = None) -> int:
    """Read a token."""
    from ..tokens import show  # noqa: PLC0415

    show(ctx.obj, token)
    return Exit.OK


@app.command("check", help=_TOKEN_CHECK, short_help="Try one on the hub.", epilog=ENDING)
def token_check(ctx: typer.Context, token: Annotated[str | None, typer.Argument()] = None) -> int:
    """Try a token."""
    from ..hub import run  # noqa: PLC0415
    from ..tokens import check, with_token  # noqa: PLC0415

    run(check(with_token(ctx.obj, token)))
    return Exit.OK


@app.command("revoke", help=_TOKEN_REVOKE, short_help="Void one, or all of a user.", epilog=ENDING)
def token_revoke(
    ctx: typer.Context,
    token_id: Annotated[str | None, typer.Argument(metavar="ID")] = None,
    user: Annotated[str | None, typer.Option(help="Everything this user was issued until now.")] = None,
) -> int:
    """Revoke."""
    from ..tokens import revoke  # noqa: PLC0415

    revoke(ctx.obj, token_id, user)
    return Exit.OK
