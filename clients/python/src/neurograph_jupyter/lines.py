"""The line behind `%neurograph`: commands, their options, and what is wrong with them in a sentence."""

import argparse
import json
import shlex
from typing import NoReturn

from neurograph_ws_client.vectors import DIMENSIONS

from .errors import NotebookError

USAGE = """%neurograph init [--url URL] [--token T] [--embedded] [--path FILE]
%neurograph status | stats | channels | stop
%neurograph query find all nodes where type='user' and priority >= 150 limit 20
%neurograph query find neighbors of 'disk failure' within 0.12 limit 10
%neurograph subscribe CHANNEL [--filter EXPR] [--last N] [--live]
%neurograph emit TYPE TEXT|[8 numbers] [--priority P]
%%signal CHANNEL [--filter EXPR] [--name N]"""
DEFAULT_URL = "ws://localhost:8000/ws"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise NotebookError(f"{self.prog}: {message}\n{self.format_usage().strip()}")


def commands() -> argparse.ArgumentParser:
    """Of `%neurograph`."""
    parser = _Parser(prog="%neurograph", add_help=False, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def verb(name: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, prog=f"%neurograph {name}", add_help=False, allow_abbrev=False)

    init = verb("init")
    init.add_argument("--url", default=None)
    init.add_argument("--token", default=None)
    init.add_argument("--embedded", action="store_true")
    init.add_argument("--path", default=None, metavar="FILE")
    for name in ("status", "stats", "channels", "stop", "help"):
        verb(name)
    subscribe = verb("subscribe")
    subscribe.add_argument("channel", metavar="CHANNEL")
    subscribe.add_argument("--filter", default=None, metavar="EXPR")
    subscribe.add_argument("--last", type=_count, default=0, metavar="N")
    subscribe.add_argument("--live", action="store_true")
    emit = verb("emit")
    emit.add_argument("event_type", metavar="TYPE")
    emit.add_argument("signal", nargs="+", metavar="TEXT|[8 numbers]")
    emit.add_argument("--priority", type=_priority, default=None, metavar="P")
    return parser


def signal_options() -> argparse.ArgumentParser:
    """Of `%%signal`."""
    parser = _Parser(prog="%%signal", add_help=False, allow_abbrev=False)
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument("--filter", default=None, metavar="EXPR")
    parser.add_argument("--name", default=None, metavar="N")
    return parser


def read(parser: argparse.ArgumentParser, line: str) -> argparse.Namespace:
    """The options of a line; NotebookError says what was expected."""
    try:
        pieces = shlex.split(line)
    except ValueError as fault:
        raise NotebookError(f"{parser.prog}: {fault}: {line.strip()!r:.80}") from fault
    return parser.parse_args(pieces)


def unquoted(text: str) -> str:
    """Without the quotes around the whole: a question may stand in them or not."""
    stripped = text.strip()
    is_quoted = len(stripped) >= 2 and stripped[0] == stripped[-1] and stripped[0] in "\"'"
    return stripped[1:-1] if is_quoted and stripped[0] not in stripped[1:-1] else stripped


def signal_of(text: str) -> list[float] | str:
    """Eight numbers in brackets, else a text."""
    if not text.lstrip().startswith("["):
        return text
    try:
        numbers = json.loads(text)
    except ValueError:
        numbers = None
    is_good = isinstance(numbers, list) and all(type(number) in {int, float} for number in numbers)
    if not is_good or len(numbers) != DIMENSIONS:
        raise NotebookError(f"emit: expected {DIMENSIONS} numbers in [ ], came {text:.80}")
    return [float(number) for number in numbers]


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 1_000:
        raise argparse.ArgumentTypeError(f"expected 1 to 1000, came {text!r}")
    return int(text)


def _priority(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 255:
        raise argparse.ArgumentTypeError(f"expected 0 to 255, came {text!r}")
    return int(text)
