"""A Redis of one's own for a test: started on a free port, in a folder of its own, ended by its process id."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

BINARY = shutil.which("redis-server")
MISSING = "expected redis-server: apt-get install redis-server"

needs_redis = pytest.mark.skipif(BINARY is None, reason=MISSING)


def free_port() -> int:
    """A port that nobody listens on, below those that outgoing connections take (so that a restart finds it free).

    By chance, since other processes look for one at the same time.
    """
    for _ in range(1_000):
        port = _chance.randrange(15_000, 32_000)
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
    raise OSError("expected a free port below 32,000")


_given: set[int] = set()
_chance = random.SystemRandom()


class RedisServer:
    """One `redis-server`. `settings` are lines of redis.conf, `appendonly="yes"` and the like."""

    def __init__(self, **settings: str) -> None:
        if BINARY is None:
            pytest.skip(MISSING)
        self.folder = Path(tempfile.mkdtemp(prefix="ng-redis-"))
        self.port = free_port()
        self.settings = {"save": "", "appendonly": "no", "repl-diskless-sync-delay": "0", **_dashed(settings)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, **settings: str) -> Self:
        """Start, also again after `stop` or `kill`; what was persisted is there."""
        self.settings |= _dashed(settings)
        options = [part for name, value in self.settings.items() for part in (f"--{name}", *value.split(" "))]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(BINARY), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_it_answers()
        return self

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def replica_of(self, master: "RedisServer") -> None:
        """Follow `master`; returns when everything of it is here."""
        self.command("REPLICAOF", "127.0.0.1", str(master.port))
        self.wait_for(lambda: "master_link_status:up" in self.command("INFO", "replication").decode())

    def promote(self) -> None:
        self.command("REPLICAOF", "NO", "ONE")

    def command(self, *words: str | bytes) -> Any:
        """One command on a connection of its own; no client library, so that nothing of it can hide a fault."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as peer:
            raw = [word.encode() if isinstance(word, str) else word for word in words]
            peer.sendall(b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in raw))
            with peer.makefile("rb") as lines:
                return _reply(lines)

    @contextmanager
    def listening(self, name: str) -> Iterator[Callable[[], bytes]]:
        """A subscription; each call of what it gives waits for the next message."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as peer, peer.makefile("rb") as lines:
            peer.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%b\r\n" % (len(name), name.encode()))
            _reply(lines)
            yield lambda: bytes(_reply(lines)[2])

    def wait_for(self, condition: Any, seconds: float = 10.0) -> None:
        """Poll a process that tells nothing by itself."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError("expected Redis to get there")
            time.sleep(0.01)

    def _wait_until_it_answers(self) -> None:
        def answers() -> bool:
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            try:
                return bool(self.command("PING") == b"PONG")
            except (OSError, ReplyError):
                return False

        self.wait_for(answers)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        os.kill(process.pid, signal.SIGCONT)
        process.send_signal(number)
        process.wait(10)


class ReplyError(Exception):
    """Redis answered with an error."""


def _reply(lines: Any) -> Any:
    line = lines.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"-":
        raise ReplyError(rest.decode())
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if int(rest) < 0:
        return None
    if kind == b"*":
        return [_reply(lines) for _ in range(int(rest))]
    text = lines.read(int(rest))
    lines.read(2)
    return text


def _dashed(settings: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in settings.items()}
