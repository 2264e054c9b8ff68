"""What a command line means: flags, then the environment, then a context, then defaults."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from .contexts import Context, load, path_of
from .exits import Exit, Failed, misused
from .stdin import first_line

DEFAULT_URL = "ws://localhost:8000/ws"

# The longest credential a hub takes (C7).
LONGEST_TOKEN = 4096


class Format(StrEnum):
    """How data is written."""

    PRETTY = "pretty"
    JSON = "json"
    COMPACT = "compact"
    # Of events their data alone, as it was published; elsewhere as compact.
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Flags:
    """The global options as they were given."""

    url: str | None = None
    subscribe: tuple[str, ...] = ()
    token: str | None = None
    token_file: Path | None = None
    format: Format | None = None
    is_verbose: bool = False
    is_quiet: bool = False
    no_color: bool = False
    timeout: float = 5.0
    no_reconnect: bool = False
    is_insecure: bool = False
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The global options as they hold; the token is in no `repr`."""

    url: str
    format: Format
    timeout: float
    # Whether a format was asked for, rather than chosen by the terminal.
    is_format_given: bool = False
    subscribe: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    is_verbose: bool = False
    is_quiet: bool = False
    has_color: bool = False
    reconnects: bool = True
    is_insecure: bool = False


def resolved(
    flags: Flags,
    environ: Mapping[str, str] | None = None,
    read_line: Callable[[int], str] = first_line,
    *,
    needs_token: bool = True,
    has_context: bool = True,
) -> Settings:
    """Settings from flags, `NG_URL`, `NG_TOKEN`, `NG_FORMAT`, the context and the terminal.

    An empty `NG_TOKEN` is refused, but not by who is about to fill it: `needs_token` is False.
    """
    environ = os.environ if environ is None else environ
    is_terminal = sys.stdout.isatty()
    if flags.timeout <= 0:
        raise misused("--timeout", "seconds above 0", flags.timeout)
    context = _context(flags, environ) if has_context else Context()
    given = flags.format or _format(environ.get("NG_FORMAT"), "NG_FORMAT") or _format(context.format, "context")
    token = _token(flags, environ, read_line, is_needed=needs_token)
    if token is None and "NG_TOKEN" not in environ and context.token is not None:
        token = _checked("context", context.token)
    return Settings(
        url=flags.url or environ.get("NG_URL") or context.url or DEFAULT_URL,
        format=given or (Format.PRETTY if is_terminal else Format.JSON),
        is_format_given=given is not None,
        timeout=flags.timeout,
        subscribe=tuple(name for names in flags.subscribe for name in names.split(",") if name),
        token=token,
        is_verbose=flags.is_verbose,
        is_quiet=flags.is_quiet,
        has_color=is_terminal and not flags.no_color and _takes_color(environ),
        reconnects=not flags.no_reconnect,
        is_insecure=flags.is_insecure,
    )


def _context(flags: Flags, environ: Mapping[str, str]) -> Context:
    """The one that is named, else the one that counts, else an empty one."""
    named = flags.context or environ.get("NG_CONTEXT")
    contexts = load(path_of(environ))
    chosen = named or contexts.current
    return Context() if chosen is None else contexts.get(chosen)


def _format(name: str | None, source: str) -> Format | None:
    return format_of(name, source) if name else None


def _takes_color(environ: Mapping[str, str]) -> bool:
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def format_of(name: str, source: str = "--format") -> Format:
    """Read the name of a format."""
    try:
        return Format(name)
    except ValueError:
        raise misused(source, "pretty, json, compact or raw", name) from None


def no_token_in(source: str) -> Failed:
    """An empty credential is a variable or a file that was never filled, not the wish to be anonymous."""
    hint = f"{source} is empty; without it you connect as anonymous; next: ng-ws token new --role developer"
    return Failed(Exit.USAGE, "token: expected a JWT or an API key, came an empty string", hint)


def _token(flags: Flags, environ: Mapping[str, str], read_line: Callable[[int], str], *, is_needed: bool) -> str | None:
    if flags.token is not None and flags.token_file is not None:
        raise Failed(Exit.USAGE, "--token and --token-file: expected one of them, got both")
    if flags.token == "-":  # noqa: S105 - means stdin
        source, token = "--token - (stdin)", read_line(LONGEST_TOKEN + 2)
    elif flags.token_file is not None:
        source, token = f"--token-file {flags.token_file}", _read(flags.token_file)
    elif flags.token is not None:
        source, token = "--token", flags.token
    elif (token := environ.get("NG_TOKEN", "").strip()) or ("NG_TOKEN" in environ and is_needed):
        source = "NG_TOKEN"
    else:
        return None
    return _checked(source, token.strip())


def _checked(source: str, token: str) -> str:
    if not token:
        raise no_token_in(source)
    # Its value is never shown, only what is wrong with it.
    if len(token) > LONGEST_TOKEN or not token.isascii() or any(letter.isspace() for letter in token):
        raise Failed(
            Exit.LOGIN, "token: expected one word of at most 4096 letters, digits and -_. , got something else"
        )
    return token


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[: LONGEST_TOKEN + 2]
    except OSError as fault:
        raise Failed(Exit.USAGE, f"--token-file: expected a readable file, got {path}: {fault.strerror}") from fault
