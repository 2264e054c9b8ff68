"""`neurograph-hub` (= `python -m hub`): serve, demo, check, config show, keys new, users new.

Only `main` decides the exit code: 0 ended as asked, 1 unexpected, 2 a setting or an argument is wrong.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from channels.errors import ConfigError
from hub import __version__, commands
from hub.config import Settings, load_settings
from hub.environment import unknown_variables
from hub.flags import secrets_and_tables, settings_parser
from hub.listener import PortError

OK, UNEXPECTED, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    given = vars(build_parser().parse_args(arguments))
    run: Callable[[Settings, dict[str, Any]], int] = given.pop("run")
    own = {name: given.pop(name) for name in list(given) if name not in Settings.model_fields}
    try:
        settings = load_settings(given)
        for name, meant in unknown_variables(os.environ).items():
            print(f"neurograph-hub: {name} is no setting{meant}; neurograph-hub --help lists them", file=sys.stderr)
        return run(settings, own)
    except (ConfigError, PortError) as error:
        for line in str(error).splitlines():
            print(f"neurograph-hub: {line}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return OK
    except BrokenPipeError:  # the reader of our output has heard enough
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return OK


def build_parser() -> argparse.ArgumentParser:
    """All commands; settings may stand before or after them."""
    flags = settings_parser()
    parser = argparse.ArgumentParser(
        prog="neurograph-hub",
        usage="neurograph-hub [settings] [command] [settings]",
        description="Real-time event hub: a channel is a log, a subscription is a cursor. Without a command it serves.",
        epilog=secrets_and_tables(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[flags],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"neurograph-hub {__version__}")
    parser.set_defaults(run=commands.serve)
    verbs = parser.add_subparsers(metavar="command")
    _verb(verbs, "serve", commands.serve, "serve until told to end (the default)", flags)
    demo = _verb(verbs, "demo", commands.demo, "serve, with bots that emit and metrics every second", flags)
    demo.add_argument("--rate", type=float, default=200.0, metavar="R", help="signals per second of the demo bots")
    _verb(verbs, "check", commands.check, "validate settings, native parts and port without serving", flags)
    config = verbs.add_parser("config", help="show: the settings as they hold").add_subparsers(required=True)
    _verb(config, "show", commands.show_config, "print every setting as it holds", flags)
    keys = verbs.add_parser("keys", help="new: an API key").add_subparsers(required=True)
    key = _verb(keys, "new", commands.new_key, "print an API key once, and the table for the settings file", flags)
    _name_and_role(key)
    users = verbs.add_parser("users", help="new: a user of the development issuer").add_subparsers(required=True)
    _name_and_role(_verb(users, "new", commands.new_user, "ask for a password, print the table of the file", flags))
    return parser


def _verb(
    verbs: Any, name: str, run: Callable[..., int], text: str, flags: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    options: dict[str, Any] = {"help": text, "description": text, "parents": [flags], "allow_abbrev": False}
    parser: argparse.ArgumentParser = verbs.add_parser(name, **options)
    parser.set_defaults(run=run)
    return parser


def _name_and_role(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, metavar="N", help="name of the table")
    parser.add_argument("--role", required=True, metavar="R", help="admin, developer, viewer or bot")


if __name__ == "__main__":
    sys.exit(main())
