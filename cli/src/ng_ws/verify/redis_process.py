"""A redis-server of our own, on a free port of loopback, with its data in a directory of its own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from ..exits import Exit, Failed
from .owned_process import OwnedProcess, free_port
from .resp import PATIENCE, RedisError, Word, ask

# What N2 and N3 rest on: functions of 7.0.
LEAST = 7


def redis_server(given: str | None) -> str:
    """Where redis-server is: as asked, REDIS_SERVER, or on PATH."""
    named = given or os.environ.get("REDIS_SERVER") or "redis-server"
    found = shutil.which(named)
    if found is None:
        hint = "next: apt-get install redis-server, or --redis-server /path/to/redis-server"
        raise Failed(Exit.USAGE, f"verify: expected redis-server to join nodes, found none ({named})", hint)
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    version = re.search(r"v=(\d+)\.", told.stdout)
    if version is None or int(version[1]) < LEAST:
        said = (told.stdout or told.stderr).strip()[:100]
        raise Failed(Exit.USAGE, f"--redis-server: expected redis-server {LEAST}.0 or newer, got {said or found!r}")
    return os.path.abspath(found)


class RedisProcess(OwnedProcess):
    """One server. `options`: more of its command line, one name or value each; a later one counts."""

    def __init__(self, binary: str, directory: Path, *options: str, port: int | None = None) -> None:
        super().__init__(directory / "redis.log")
        self.port = free_port() if port is None else port
        self.directory = directory
        self._binary = binary
        self._options = options

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """How it is started: in the foreground, with a log of every write that outlives kill -9, no snapshots."""
        own = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.directory,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "repl-diskless-sync-delay": 0,
            "repl-ping-replica-period": 1,
        }
        options = [text for name, value in own.items() for text in (f"--{name}", str(value))]
        return [self._binary, *options, *self._options]

    async def start(self, *, is_empty: bool = False) -> None:
        """Start it, with the data it had or without, and wait until it answers."""
        if is_empty:
            self.forget()
        self.directory.mkdir(parents=True, exist_ok=True)
        if not await self.spawn(self.command, self.directory, self.answers):
            raise Failed(Exit.UNEXPECTED, f"verify: redis-server did not start ({self._binary}): {self.said()}")

    def forget(self) -> None:
        """Let nothing be left of its data."""
        for path in (self.directory / "appendonlydir", self.directory / "dump.rdb", self.directory / "nodes.conf"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    async def answers(self) -> bool:
        """Whether it takes commands."""
        try:
            return bool(await self.ask("PING", wait=1.0) == b"PONG")
        except (OSError, TimeoutError, RedisError):
            return False

    async def ask(self, *words: Word, wait: float = PATIENCE) -> object:
        """One command; OSError or TimeoutError where it does not answer."""
        return await ask(self.port, *words, wait=wait)

    async def replication(self) -> dict[str, str]:
        """`INFO replication`, by name."""
        text = await self.ask("INFO", "replication")
        lines = text.decode().splitlines() if isinstance(text, bytes) else ()
        return dict(line.split(":", 1) for line in lines if ":" in line)
