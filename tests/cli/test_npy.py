"""Files of NumPy, read without it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ng_ws.exits import Failed
from ng_ws.npy import ROWS, rows


def saved(folder: Path, value: Any) -> Path:
    path = folder / "v.npy"
    np.save(path, value)
    return path


@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("count", [0, 1, 3, ROWS, ROWS + 1])
def test_rows_come_as_numpy_wrote_them(tmp_path: Path, kind: str, count: int) -> None:
    value = np.random.default_rng(8).random((count, 8)).astype(kind)
    read = list(rows(saved(tmp_path, value)))
    assert [row for part in read for row in part] == value.tolist()
    assert all(len(part) <= ROWS for part in read)


def test_one_vector_is_one_row(tmp_path: Path) -> None:
    assert list(rows(saved(tmp_path, np.arange(8.0)))) == [[[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]]]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.zeros((3, 7)), r"expected a shape of \(N, 8\), got \(3, 7\)"),
        (np.zeros((3, 8), dtype="i4"), "expected numbers <f4 or <f8 in C order, got <i4"),
        (np.asfortranarray(np.zeros((3, 8))), "in C order, got <f8, fortran True"),
    ],
)
def test_another_array_is_told_with_what_was_expected(tmp_path: Path, value: Any, told: str) -> None:
    with pytest.raises(Failed, match=told):
        list(rows(saved(tmp_path, value)))


def test_a_file_that_is_cut_or_none_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path, np.zeros((3, 8)))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(Failed, match="expected as many numbers as its header says"):
        list(rows(path))
    path.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(Failed, match=r"expected a file of numpy\.save"):
        list(rows(path))
    with pytest.raises(Failed, match="expected a readable file"):
        list(rows(tmp_path / "none.npy"))


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_being_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("npy") / "v.npy"
    for start in (b"", b"\x93NUMPY\x01\x00"):
        path.write_bytes(start + content)
        with pytest.raises(Failed):
            list(rows(path))
