"""The hub of `--embedded`: the server's own `Runtime`, looked for only when it is asked for."""

from importlib import import_module
from typing import Any

from .errors import NoServer

ROLE = "admin"
"""Of a hub that belongs to the notebook alone."""


def start_hub(**settings: Any) -> Any:
    """A `hub.Runtime` that serves on a free port of this machine; NoServer says why there is none."""
    try:
        runtime = import_module("hub").Runtime
    except ImportError as fault:
        text = f"--embedded needs the server neurograph-hub in this environment, and it cannot be imported: {fault}; "
        raise NoServer(f"{text}start one elsewhere (make run) and give --url") from fault
    except AttributeError as fault:
        raise NoServer(
            "--embedded: expected the package hub of neurograph-hub, came another one of that name"
        ) from fault
    try:
        return runtime(**settings).start()
    except Exception as fault:
        raise NoServer(f"--embedded: the hub does not start: {fault}") from fault
