"""The history of a run: one JSON object a line, on one monotonic clock, written here and never by the hub.

| `e` | members | meaning |
|---|---|---|
| `run` | seed, …, hub | how the run was asked for, and what a hub of our own keeps (`needs.py`) |
| `pub` | ch, id, pub, seq, sum | publisher `pub` is about to send its `seq`-th entry |
| `ack`, `nak` | id, off, ep; id | it is stored there; it was refused. Neither: it may be seen once or never |
| `sub` | s, ch, n, req, rec, off, ep | the n-th start of a subscriber: asked for `req`, granted, delivery after `off` |
| `msg` | s, ch, n, id, sum, off, ep | the handler ran; `id` is null for an entry of somebody else |
| `gap` | s, ch, n, from, to, missed, reason | these will not come |
| `end` | s, ch, n | the subscription is away |
| `fin` | s, ch, off, ep | after the last fault this subscriber confirmed the head |
| `head` | node, ch, off, ep | after the last fault this hub says that this is the head |
| `fault` | no, kind, do, … | `do`: planned, begun, healed; `node`: the hub that it hits |

Every line has `t`, nanoseconds. `lost: true` on a `sub` says that the subscriber came without its cursor and takes
repeats. Lines with `dir` are those of PROTOCOL.md I0, with the client's name as `c`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from time import monotonic_ns
from typing import Any, TextIO

from neurograph_ws_client.positions import Position

Line = Mapping[str, Any]

# A history that grows beyond this ends the run rather than the disk.
MAX_BYTES = 4 << 30


class HistoryError(ValueError):
    """The history is none: a fault of whoever wrote it, and nothing it says can be judged."""


def place_of(line: Line) -> Position:
    """`ep` and `off` of a line."""
    return Position(str(line["ep"]), int(line["off"]))


def digest(value: Any) -> str:
    """A short name for a JSON value, equal for equal values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return blake2b(text.encode(errors="surrogatepass"), digest_size=9).hexdigest()


class History:
    """Writes lines, and hands each to whoever judges while the run goes on.

    It is written in handlers of clients, which nothing may disturb: what goes wrong is kept as `failure`, nothing is
    written after it, and whoever runs the campaign has to ask for it.
    """

    def __init__(self, file: TextIO, *judges: Callable[[Line], None], most: int = MAX_BYTES) -> None:
        self.lines = 0
        self.failure: Exception | None = None
        self._file = file
        self._judges = judges
        self._left = most

    def write(self, kind: str, /, **members: Any) -> None:
        """One event of the run."""
        self._put({"t": monotonic_ns(), "e": kind, **members})

    def journal(self, client: str) -> Callable[[Mapping[str, Any]], None]:
        """A taker of I0 lines of one client; they are stamped anew, so that the file is in the order of its times."""
        return lambda line: self._put({**line, "t": monotonic_ns(), "c": client})

    def _put(self, line: Line) -> None:
        if self.failure is not None:
            return
        try:
            self._put_now(line)
        except (OSError, ValueError, KeyError, TypeError) as fault:
            self.failure = fault

    def _put_now(self, line: Line) -> None:
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False, default=repr)
        self._left -= len(text) + 1
        if self._left < 0:
            raise HistoryError("the history is larger than it may be: a shorter run, fewer clients or a lower rate")
        self._file.write(text + "\n")
        self.lines += 1
        for judge in self._judges:
            judge(line)


def read(lines: Iterable[str]) -> Iterator[Line]:
    """Read a history; HistoryError names the line that is none."""
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
        except ValueError as fault:
            raise HistoryError(f"line {number}: expected a JSON object, got {text[:80]!r}") from fault
        if not isinstance(line, dict) or not isinstance(line.get("t"), int) or not ("e" in line or "dir" in line):
            raise HistoryError(f"line {number}: expected an object with t and e or dir, got {text[:80]!r}")
        yield line


def picked(path: Path, numbers: Iterable[int]) -> dict[int, str]:
    """These lines of a file, by number from 1."""
    wanted = set(numbers)
    if not wanted:
        return {}
    last = max(wanted)
    found: dict[int, str] = {}
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            if number in wanted:
                found[number] = text.rstrip("\n")
            if number >= last:
                break
    return found
