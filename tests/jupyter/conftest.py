"""Notebooks without a kernel: an IPython shell in the process, and a hub for each test that asks for one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from neurograph_jupyter import NotebookSession
from traitlets.config import Config

from tests.support.hub import RunningHub

Run = Callable[[str], Any]


@pytest.fixture
def hub() -> Iterator[RunningHub]:
    with RunningHub(metrics_interval=60.0) as running:
        yield running


@pytest.fixture
def session(hub: RunningHub) -> Iterator[NotebookSession]:
    with NotebookSession(hub.url, token=hub.token("admin")) as open_session:
        yield open_session


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """With the extension loaded; its session ends with the test."""
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell(config=config)  # type: ignore[no-untyped-call]
    made.run_line_magic("load_ext", "neurograph_jupyter")
    yield made
    made.run_line_magic("unload_ext", "neurograph_jupyter")


@pytest.fixture
def run(shell: InteractiveShell) -> Run:
    """The result of a cell, or the error that it ended with."""

    def run(cell: str) -> Any:
        done = shell.run_cell(cell, store_history=False)  # type: ignore[no-untyped-call]
        done.raise_error()
        return done.result

    return run


@pytest.fixture
def refused(run: Run) -> Callable[[str], str]:
    """What a cell that is refused says."""

    def refused(cell: str) -> str:
        with pytest.raises(UsageError) as told:
            run(cell)
        return str(told.value)

    return refused
