"""The hub as a process of its own, as an operator starts it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 30


def environment(**variables: str) -> dict[str, str]:
    """This process's, without settings of the hub, with `variables` in their place."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NG_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **variables}


def command(*arguments: str) -> list[str]:
    """`neurograph-hub` of this interpreter."""
    return [sys.executable, "-m", "hub", *arguments]


class HubProcess:
    """Started in `directory`; `banner` is what it printed until it was up."""

    def __init__(self, directory: Path, *arguments: str, text: str | None = None, **variables: str) -> None:
        self.errors = directory / "stderr.txt"
        with self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command(*arguments),
                cwd=directory,
                env=environment(**variables),
                stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        if text is not None and self._process.stdin is not None:
            self._process.stdin.write(text)
            self._process.stdin.close()
        self.banner = self._read_banner()

    @property
    def port(self) -> int:
        """Where it listens, by its banner."""
        found = re.search(r"ws://localhost:(\d+)/ws", self.banner)
        assert found is not None, self.banner
        return int(found.group(1))

    @property
    def http_url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tokens(self) -> dict[str, str]:
        """Role -> token, by its banner."""
        return dict(re.findall(r"(admin|developer|viewer|bot) +(ey\S+)", self.banner))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal. -> exit code"""
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)

    def _read_banner(self) -> str:
        lines = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            lines.append(line)
            if line.strip().startswith("Stop"):
                return "".join(lines)
        raise AssertionError("".join(lines) + (self.errors.read_text() if self.errors.exists() else ""))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()
