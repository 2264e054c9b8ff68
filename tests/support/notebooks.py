"""Runs a notebook in a kernel of its own and keeps what it showed: `python notebooks.py IN.ipynb OUT.ipynb`.

A process of its own, since the libraries of kernels leave sockets to the garbage collector.
"""

import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

SECONDS = 90
"""That one cell may take."""


def execute(source: Path, target: Path) -> None:
    """The kernel works in the folder of `target`, and its sockets are files there: nothing of it is on the network."""
    notebook = nbformat.read(source, 4)  # type: ignore[no-untyped-call]
    manager = KernelManager(transport="ipc", ip=str(target.with_suffix(".kernel")), kernel_name="python3")
    resources = {"metadata": {"path": str(target.parent)}}
    try:
        NotebookClient(notebook, km=manager, timeout=SECONDS, resources=resources).execute()
    finally:
        manager.shutdown_kernel(now=True)
    nbformat.write(notebook, target)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    execute(Path(sys.argv[1]), Path(sys.argv[2]))
