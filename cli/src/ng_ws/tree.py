"""The program as a tree of commands that are imported when they are wanted: `--help` and a typo need none of them."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from .commands import COMMANDS

ENDING = "Global options (ng-ws --help) may stand before or after the command."


class Tree(TyperGroup):
    """The group of all commands; `commands` holds those that were wanted so far."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _loaded(cmd_name)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """A name that is nearly right is told with the right one."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415 - only a typo needs it

            near = get_close_matches(args[0], COMMANDS)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table, without importing anything of it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.about) for name, entry in COMMANDS.items()])


def _loaded(name: str) -> Any:
    entry = COMMANDS[name]
    command = get_command(import_module(f".commands.{entry.module}", __package__).app)
    command.name, command.short_help = name, entry.about
    command.epilog = command.epilog or ENDING
    return command


def single(help: str | None = None) -> typer.Typer:  # noqa: A002 - typer's word
    """An application of one command, or with a `help` of its own of a group of them."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        help=help,
        epilog=ENDING,
    )
