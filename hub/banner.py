"""What the terminal shows when the hub is up (clients.md section 7): only what is really there."""

import shlex
import shutil
import sys
from pathlib import Path

from channels.config import Catalog
from hub import __version__
from hub.config import Settings
from hub.quantities import is_loopback

PROGRAM = "ng-ws"
DEFAULT_URL = "ws://localhost:8000/ws"
"""Where the program looks without `--url`."""


def banner(settings: Settings, port: int, tokens: dict[str, str], *, demo: str = "") -> str:
    """The lines, ending in a newline."""
    host = "localhost" if is_loopback(settings.host) else settings.host
    secure = "s" if settings.tls_cert else ""
    durable = Catalog.from_tables(settings.channels).durable
    kept = f"on disk: {', '.join(durable)}" if durable else "redis" if settings.redis_url else "memory"
    head = f"NeuroGraph Hub {__version__}        native: on      log: {kept}      mode: {settings.mode}"
    rows = [
        *([("Dashboard", f"http{secure}://{host}:{port}/")] if settings.page else []),
        ("WebSocket", f"ws{secure}://{host}:{port}/ws         ng-ws.v1.json, ng-ws.v1.msgpack, or none"),
        ("REST", f"http{secure}://{host}:{port}/api/v1/status     Metrics  /metrics     Health  /health"),
        *_token_rows(settings, tokens),
        *_try_rows(f"ws{secure}://{host}:{port}/ws", has_issuer=not settings.is_production),
        ("Stop", "Ctrl-C"),
    ]
    if settings.data_dir and not durable:
        rows.append(("Note", "NG_DATA_DIR is set, and no channel has retention = { durable = true }: nothing is kept"))
    taken = (
        [("Note", f"port {settings.port} is taken, this is the next free one")]
        if port_was_taken(settings, port)
        else []
    )
    lines = [
        f"  {head}{'      demo: ' + demo if demo else ''}",
        *(f"  {name:<12} {text}" for name, text in [*taken, *rows]),
    ]
    return "\n".join(lines) + "\n"


def port_was_taken(settings: Settings, port: int) -> bool:
    """Whether the hub had to step aside."""
    return settings.port not in (0, port)


def _token_rows(settings: Settings, tokens: dict[str, str]) -> list[tuple[str, str]]:
    """Whole, ready to be copied: development only, on a loopback address."""
    if not tokens:
        return []
    rows = [
        ("Tokens" if index == 0 else "", f"{role:<10} {token}") for index, (role, token) in enumerate(tokens.items())
    ]
    where = f", kept in {settings.dev_file}" if settings.dev_file else ""
    return [*rows, ("", f"(development, 24 h{where})")]


def _try_rows(url: str, *, has_issuer: bool) -> list[tuple[str, str]]:
    """Lines that work when copied: each on its own, with the program as it is found from here."""
    program = command()
    options = "" if url == DEFAULT_URL else f" --url {url}"
    token = [f"export NG_TOKEN=$({program}{options} token new --role developer)"] if has_issuer else []
    lines = [
        *token,
        f"{program}{options} --subscribe metrics,signals",
        f'{program}{options} emit signal.input.text "hello"',
    ]
    return [("" if index else "Try", line) for index, line in enumerate(lines)]


def command() -> str:
    """`ng-ws` where a shell finds it, else the one beside this interpreter, from here if that is shorter."""
    beside = Path(sys.executable).with_name(PROGRAM)
    if shutil.which(PROGRAM) or not beside.is_file():
        return PROGRAM
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if beside.is_relative_to(here) else beside))
