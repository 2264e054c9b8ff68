"""`ng-ws` as a process."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

SOON = 20.0


class Process:
    """One run of the program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *arguments: str, **environ: str) -> "Process":
        names = ("PATH", "PYTHONPATH", "HOME", "LANG", "COVERAGE_PROCESS_START")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ng_ws",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**kept, **environ},
            )
        )

    async def ended(self, stdin: bytes = b"", patience: float = SOON) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        async with asyncio.timeout(patience):
            out, err = await self._process.communicate(stdin)
        assert self._process.returncode is not None
        return self._process.returncode, out.decode(), err.decode()

    async def line(self) -> bytes:
        """The next line of data."""
        assert self._process.stdout is not None
        async with asyncio.timeout(SOON):
            return await self._process.stdout.readline()

    async def noted(self, text: str) -> str:
        """The next line of stderr that holds a text."""
        assert self._process.stderr is not None
        async with asyncio.timeout(SOON):
            while line := (await self._process.stderr.readline()).decode():
                if text in line:
                    return line
        raise AssertionError(f"the program ended without saying {text!r}")

    def type(self, data: bytes) -> None:
        """Write to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)


async def run(
    *arguments: str,
    stdin: bytes = b"",
    among: Mapping[str, str] | None = None,
    patience: float = SOON,
    **environ: str,
) -> tuple[int, str, str]:
    """Run the program to its end, among these variables: exit code, stdout, stderr."""
    return await (await Process.start(*arguments, **{**(among or {}), **environ})).ended(stdin, patience)
