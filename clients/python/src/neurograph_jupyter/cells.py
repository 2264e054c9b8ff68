"""`%%signal`: the body of a cell as a handler."""

import ast
from collections.abc import Callable, MutableMapping
from typing import Any

from neurograph_ws_client import Event

_ABSENT = object()


def handler_of(body: str, name: str, namespace: MutableMapping[str, Any]) -> Callable[[Event[Any]], None]:
    """A handler that runs `body` in `namespace` with `event` bound; SyntaxError where the body is none."""
    # Compiled from a tree, so that a traceback names the cell and not a file.
    code = compile(ast.parse(body, f"<%%signal {name}>"), f"<%%signal {name}>", "exec")

    def handle(event: Event[Any]) -> None:
        before = namespace.get("event", _ABSENT)
        namespace["event"] = event
        try:
            exec(code, namespace)  # type: ignore[arg-type]  # noqa: S102 - the user's own cell
        finally:
            if before is _ABSENT:
                namespace.pop("event", None)
            else:
                namespace["event"] = before

    return handle
