"""Libraries that are imported where they are used, and what to install where they are missing."""

from importlib import import_module
from typing import Any

from .errors import MissingExtra

EXTRAS = {
    "anywidget": "jupyter",
    "traitlets": "jupyter",
    "pandas": "jupyter",
    "networkx": "jupyter-graph",
    "matplotlib": "jupyter-graph",
    "scipy": "jupyter-graph",
}


def library(name: str) -> Any:
    """The module of that name; MissingExtra says what to install."""
    try:
        return import_module(name)
    except ModuleNotFoundError as fault:
        first = name.partition(".")[0]
        if fault.name is None or fault.name.partition(".")[0] != first:
            raise
        raise MissingExtra(first, EXTRAS.get(first)) from fault
