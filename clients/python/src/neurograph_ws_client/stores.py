"""Where positions outlive a process, so that the next one goes on exactly where this one stopped handling."""

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

from .errors import NotSaved
from .positions import Position

# Positions are saved at most this often, in seconds.
EVERY = 1.0


@runtime_checkable
class PositionStore(Protocol):
    """Keeps the position of each channel. `save` runs in a thread of its own and never twice at a time."""

    def load(self) -> Mapping[str, str]:
        """What was saved last; empty the first time."""
        ...

    def save(self, positions: Mapping[str, str]) -> None:
        """Keep all of these in place of what was there."""
        ...


class FileStore:
    """Positions in one JSON file, replaced as a whole: whoever reads it finds the old ones or the new ones."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def load(self) -> dict[str, str]:
        """Read the file; one that does not exist yet is empty.

        ValueError where it holds something else, or where nothing could ever be saved: better now than an hour later.
        """
        self._check_place()
        try:
            value = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as fault:
            raise ValueError(f"FileStore: expected a file to read, got {self.path}: {fault.strerror}") from fault
        except (ValueError, RecursionError) as fault:
            raise self._other(f"no JSON ({fault})") from fault
        if not isinstance(value, dict):
            raise self._other(f"{value!r:.80}")
        try:
            return checked(value)
        except ValueError as fault:
            raise self._other(f"one with {fault}") from fault

    def save(self, positions: Mapping[str, str]) -> None:
        """Write a new file beside it, put it on disk, and rename it into its place, which is on disk too then."""
        try:
            self._write(positions)
        except OSError as fault:
            raise OSError(f"FileStore: {self.path}: {fault.strerror or fault}") from fault

    def _other(self, came: str) -> ValueError:
        return ValueError(f"FileStore: {self.path}: expected a JSON object of channels and positions, got {came}")

    def _check_place(self) -> None:
        directory = self.path.parent
        if self.path.is_dir():
            what = "a directory"
        elif not directory.is_dir():
            what = f"there is no directory {directory}"
        elif not os.access(directory, os.W_OK | os.X_OK):
            what = f"the directory {directory} cannot be written"
        else:
            return
        raise ValueError(f"FileStore: expected a file in a directory that can be written, got {self.path}: {what}")

    def _write(self, positions: Mapping[str, str]) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(positions, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
            self._keep_name()
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise

    def _keep_name(self) -> None:
        """A rename outlives a loss of power only with its directory; Windows has no such call and needs none."""
        if os.name != "posix":
            return
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def checked(positions: object) -> dict[str, str]:
    """Positions by channel; ValueError says what came in their place."""
    if not isinstance(positions, Mapping):
        raise ValueError(f"positions: expected channels with positions, got {positions!r:.80}")
    return {str(channel): str(_position(channel, text)) for channel, text in positions.items()}


def _position(channel: object, text: object) -> Position:
    try:
        return Position.parse(text)
    except ValueError as fault:
        raise ValueError(f"positions.{channel}: {fault}") from fault


class Saver:
    """Saves what moved, off the loop: at most once a second, and once more at the end."""

    def __init__(
        self,
        store: PositionStore,
        current: Callable[[], dict[str, str]],
        report: Callable[[Exception], object],
        loaded: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._current = current
        self._report = report
        self._saved = dict(loaded or {})
        # What was told last: a disk that is full is told once, not once a second.
        self._told: str | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look once a second from now on."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    async def finish(self) -> None:
        """Save what is left, and leave neither task nor thread."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._save()
        if self._worker is not None:
            self._worker.shutdown(wait=True)
            self._worker = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._save()

    async def _save(self) -> None:
        positions = self._current()
        if positions == self._saved:
            return
        self._worker = self._worker or ThreadPoolExecutor(1, thread_name_prefix="neurograph-positions")
        try:
            await asyncio.shield(
                asyncio.get_running_loop().run_in_executor(self._worker, self._store.save, dict(positions))
            )
        except Exception as fault:  # noqa: BLE001 - whatever a store raises is told, and tried again a second later
            self._failed(fault)
        else:
            self._saved, self._told = positions, None

    def _failed(self, fault: Exception) -> None:
        what = str(fault) if isinstance(fault, OSError) else f"{type(fault).__name__}: {fault}"
        if what == self._told:
            return
        self._told = what
        error = NotSaved(f"positions were not saved, which is tried again: {what}", temporary=True)
        error.__cause__ = fault
        self._report(error)
