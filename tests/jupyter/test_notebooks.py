"""The notebooks run as they stand, each in a kernel of its own, against a hub inside it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
RUNNER = Path(__file__).parents[1] / "support" / "notebooks.py"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(cells: list[Any], kind: str) -> list[Any]:
    """What cells showed of a media type."""
    return [output.data[kind] for cell in cells for output in cell.outputs if kind in output.get("data", {})]


@pytest.mark.accept("J18")
def test_there_are_a_tutorial_a_use_case_and_a_profile() -> None:
    assert NOTEBOOKS == ["profiling.ipynb", "tutorial.ipynb", "use_case.ipynb"]
    titles = re.findall(r"^## (\d+)\. ", "\n".join(_markdown("tutorial.ipynb")), re.MULTILINE)
    assert titles == [str(number) for number in range(1, 16)]


def _markdown(name: str) -> list[str]:
    notebook = nbformat.read(FOLDER / name, 4)  # type: ignore[no-untyped-call]
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs_and_without_a_machine(name: str) -> None:
    notebook = nbformat.read(FOLDER / name, 4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    assert [(cell.outputs, cell.execution_count) for cell in code_cells(notebook)] == [([], None)] * len(
        code_cells(notebook)
    )
    assert re.findall(r"/(?:home|root|work|tmp|Users)/", (FOLDER / name).read_text()) == []


def about_tutorial(cells: list[Any]) -> None:
    tables = outputs(cells, "text/html")
    assert sum("linear-gradient" in table for table in tables) >= 10
    assert len(outputs(cells, "image/png")) == 2
    assert len(outputs(cells, "application/vnd.jupyter.widget-view+json")) == 1
    [seen] = [text for text in outputs(cells, "text/plain") if text.startswith("[(")]
    assert "('signal.sensor', 1" in seen


def about_use_case(cells: list[Any]) -> None:
    assert any("granted herself" in text for text in outputs(cells, "text/plain"))
    assert len(outputs(cells, "image/png")) == 1


def about_profiling(cells: list[Any]) -> None:
    shown = outputs(cells, "text/plain")
    assert any("99%" in text and "core_us" in text for text in shown)
    assert len(outputs(cells, "image/png")) == 1


ABOUT = {"profiling.ipynb": about_profiling, "tutorial.ipynb": about_tutorial, "use_case.ipynb": about_use_case}


@pytest.mark.timeout(300)
@pytest.mark.accept("J1", "J11", "J12", "J13", "J14", "J15", "J17", "J18")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_without_an_error_and_shows_what_it_is_about(name: str, tmp_path: Path) -> None:
    done = tmp_path / "done.ipynb"
    command = [sys.executable, str(RUNNER), str(FOLDER / name), str(done)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["done.ipynb"]
    cells = code_cells(nbformat.read(done, 4))  # type: ignore[no-untyped-call]
    streams = [
        (output.name, output.text) for cell in cells for output in cell.outputs if output.output_type == "stream"
    ]
    assert [text for stream, text in streams if stream == "stderr"] == []
    assert streams[-1] == ("stdout", "closed\n")
    ABOUT[name](cells)
