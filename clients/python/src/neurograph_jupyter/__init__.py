"""NeuroGraph Hub in notebooks: `%load_ext neurograph_jupyter`, then `%neurograph init`.

What belongs here: magics, questions, tables, pictures, the live view. What the hub says and how belongs to
`neurograph_ws_client`. Large libraries are imported where they are used; the server only for `--embedded`.
"""

from typing import Any

from .errors import MissingExtra, NoServer, NotebookError, NotStarted, QueryError
from .feed import Feed
from .live import LiveView
from .results import Link, QueryResult, Row
from .session import NotebookSession

__all__ = [
    "Feed",
    "Link",
    "LiveView",
    "MissingExtra",
    "NoServer",
    "NotStarted",
    "NotebookError",
    "NotebookSession",
    "QueryError",
    "QueryResult",
    "Row",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_MAGICS = "_neurograph_magics"


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext neurograph_jupyter`."""
    from .magics import NeurographMagics  # noqa: PLC0415 - only a notebook has IPython

    magics = NeurographMagics(shell)
    setattr(shell, _MAGICS, magics)
    shell.register_magics(magics)


def unload_ipython_extension(shell: Any) -> None:
    """Called by `%unload_ext neurograph_jupyter`: ends the session."""
    magics = getattr(shell, _MAGICS, None)
    if magics is not None:
        magics.close()
        delattr(shell, _MAGICS)
