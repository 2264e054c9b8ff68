"""A hub of our own: a process that is started, killed, stopped, paused and started again on the same port and data."""

import asyncio
import os
import secrets
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from ..exits import Exit, Failed
from .needs import Promise
from .owned_process import OwnedProcess, free_port

# What it keeps and replays at once: said here, so that a gap can be held against it.
_KEPT_SECONDS = 3_600
_KEPT_BYTES = 64 << 20
_LARGEST_ENTRY = 4_096
_RESUME_EVENTS = 1_000

_ROLES = '["admin", "developer", "viewer", "bot"]'

# Rates are those of a load test: what is measured here is delivery, not admission.
_PLENTY = "1000000/1000000"
_RATES = ("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", "PING", "DEFAULT")


def command_of(given: str | None) -> list[str]:
    """How a hub is started: as asked, else `neurograph-hub` beside this interpreter or on PATH."""
    if given is not None:
        return _as_given(given)
    beside = Path(sys.executable).with_name("neurograph-hub")
    found = str(beside) if beside.exists() else shutil.which("neurograph-hub")
    if found is None:
        hint = "next: name one with --hub-command, or a running hub with --url ws://HOST:8000/ws"
        raise Failed(Exit.USAGE, "verify: expected neurograph-hub beside ng-ws or on PATH, found none", hint)
    return [found]


def _as_given(given: str) -> list[str]:
    try:
        command = shlex.split(given)
    except ValueError as error:
        raise Failed(Exit.USAGE, f"--hub-command: expected a command as in a shell, got {given!r}: {error}") from None
    if not command:
        raise Failed(Exit.USAGE, "--hub-command: expected a command, got nothing")
    # The hub runs in a directory of its own, from which a path of here would not be found.
    if "/" in command[0]:
        command[0] = os.path.abspath(command[0])
    if shutil.which(command[0]) is None:
        raise Failed(Exit.USAGE, f"--hub-command: expected a program that can be started, got {command[0]!r}")
    return command


class Joins(NamedTuple):
    """As what a hub joins others: its name, the Redis it reaches them by, and the secret that all share."""

    node: str
    redis_url: str
    secret: str


class HubProcess(OwnedProcess):
    """One hub on a free port of loopback, its data and its log in `directory`; with `joins`, a node of a cluster."""

    def __init__(
        self, command: list[str], directory: Path, channels: tuple[str, ...], joins: Joins | None = None
    ) -> None:
        super().__init__(directory / "hub.log")
        self.is_durable = joins is None
        self.starts = 0
        self.port = free_port()
        self._command = command
        self._directory = directory
        self._channels = channels
        self._joins = joins
        self._secret = secrets.token_urlsafe(48) if joins is None else joins.secret

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def promise(self) -> Promise:
        """What it is set up to keep."""
        kept = _KEPT_BYTES // _LARGEST_ENTRY
        is_shared = self._joins is not None
        return Promise(_RESUME_EVENTS, kept, _KEPT_SECONDS, self.is_durable or is_shared, is_shared)

    async def start(self) -> None:
        """Start it and wait until it is ready; one that keeps no durable log is taken as it is, and that is told."""
        if not await self._started():
            if self.starts or not self.is_durable:
                # A node of a cluster keeps nothing, and one that does not join is none.
                raise self._failed()
            self.is_durable = False
            if not await self._started():
                raise self._failed()
        self.starts += 1

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _started(self) -> bool:
        """Start it. -> False if it ended before it was ready"""
        self._configure()
        try:
            return await self.spawn(self._command, self._directory, self._is_ready, self._environment())
        except TimeoutError:
            raise self._failed() from None

    async def _is_ready(self) -> bool:
        return await asyncio.to_thread(is_ready, self.port)

    def _configure(self) -> None:
        (self._directory / "data").mkdir(exist_ok=True)
        durable = ", durable = true" if self.is_durable else ""
        tables = "\n".join(
            f'[channels."{channel}"]\nsubscribe = {_ROLES}\nbroadcast = ["admin", "developer", "bot"]\n'
            f'delivery = "all"\non_slow = "gap"\npublish_rate = "{_PLENTY}"\n'
            f"retention = {{ seconds = {_KEPT_SECONDS}, bytes = {_KEPT_BYTES}{durable} }}\n"
            for channel in self._channels
        )
        (self._directory / "hub.toml").write_text(tables, encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NG_")}
        own = {
            "NG_CONFIG": str(self._directory / "hub.toml"),
            "NG_DEV_FILE": str(self._directory / "dev.json"),
            "NG_HOST": "127.0.0.1",
            "NG_PORT": str(self.port),
            "NG_JWT_SECRET": self._secret,
            "NG_HANDSHAKE_RATE": _PLENTY,
            "NG_AUTH_RATE": _PLENTY,
            "NG_RESUME_EVENTS": str(_RESUME_EVENTS),
            # A half-open connection is to be found while the run lasts.
            "NG_HEARTBEAT_INTERVAL": "3",
            "NG_HEARTBEAT_TIMEOUT": "2",
            # A stop is one of many faults: with one hub there is no other to move to in the meantime.
            "NG_DRAIN_ANNOUNCE": "0",
            "NG_DRAIN_WINDOW": "1",
            "NG_DRAIN_DEADLINE": "3",
            **{f"NG_RATE_{name}": _PLENTY for name in _RATES},
        }
        if self._joins is not None:
            own |= {"NG_NODE": self._joins.node, "NG_REDIS_URL": self._joins.redis_url}
        elif self.is_durable:
            own |= {"NG_DATA_DIR": str(self._directory / "data")}
        return {**kept, **own}

    def _failed(self) -> Failed:
        text = f"verify: the hub did not start ({shlex.join(self._command)}): {self.said()}"
        return Failed(Exit.UNEXPECTED, text, "next: the same command alone shows why")


def is_ready(port: int) -> bool:
    """Whether a hub on loopback says that it is ready."""
    try:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
