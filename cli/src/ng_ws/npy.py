"""Vectors from a file of NumPy, read without NumPy: N x 8 numbers of 32 or 64 bits, in C order."""

import ast
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from sys import byteorder
from typing import IO, Any

from .exits import Exit, Failed

DIMENSIONS = 8
ROWS = 1_000
"""Rows that are read at a time."""
_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 65_536
_KINDS = {"f4": "f", "f8": "d"}
_HINT = "next: numpy.save(FILE, vectors.astype('float32')), or one JSON array a line in FILE.jsonl"


def rows(path: Path) -> Iterator[list[list[float]]]:
    """The rows, a thousand at a time; Failed says what the file is instead."""
    try:
        with path.open("rb") as file:
            code, is_swapped, count = _header(path, file)
            while count > 0:
                part = min(count, ROWS)
                yield _read(path, file, array(code), part, is_swapped=is_swapped)
                count -= part
    except OSError as fault:
        raise Failed(Exit.USAGE, f"--batch: expected a readable file, got {path}: {fault.strerror}") from fault


def _read(path: Path, file: IO[bytes], numbers: "array[float]", count: int, *, is_swapped: bool) -> list[list[float]]:
    content = file.read(count * DIMENSIONS * numbers.itemsize)
    if len(content) != count * DIMENSIONS * numbers.itemsize:
        raise _wrong(path, "as many numbers as its header says", "the end of the file")
    numbers.frombytes(content)
    if is_swapped:
        numbers.byteswap()
    flat = numbers.tolist()
    return [flat[start : start + DIMENSIONS] for start in range(0, len(flat), DIMENSIONS)]


def _header(path: Path, file: IO[bytes]) -> tuple[str, bool, int]:
    """Type code, whether bytes are to be swapped, and the number of rows."""
    start = file.read(8)
    if start[:6] != _MAGIC or len(start) < 8 or start[6] not in (1, 2, 3):
        raise _wrong(path, "a file of numpy.save", repr(start))
    size = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
    if size > _MOST_HEADER:
        raise _wrong(path, f"a header of at most {_MOST_HEADER} bytes", str(size))
    about = _literal(path, file.read(size))
    found = re.fullmatch(r"([<>=|])(f4|f8)", str(about.get("descr")))
    if found is None or about.get("fortran_order") is not False:
        raise _wrong(
            path, "numbers <f4 or <f8 in C order", f"{about.get('descr')}, fortran {about.get('fortran_order')}"
        )
    shape = about.get("shape")
    match shape:
        case (int(count), 8):
            pass
        case (8,):
            count = 1
        case _:
            raise _wrong(path, f"a shape of (N, {DIMENSIONS})", str(shape))
    order = {"<": "little", ">": "big"}.get(found[1], byteorder)
    return _KINDS[found[2]], order != byteorder, count


def _literal(path: Path, header: bytes) -> dict[str, Any]:
    try:
        about = ast.literal_eval(header.decode("latin-1").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        about = None
    if not isinstance(about, dict):
        raise _wrong(path, "a header of numpy.save", repr(header[:60]))
    return about


def _wrong(path: Path, expected: str, came: str) -> Failed:
    return Failed(Exit.USAGE, f"--batch {path}: expected {expected}, got {came:.120}", _HINT)
