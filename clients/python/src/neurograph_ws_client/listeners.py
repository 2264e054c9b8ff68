"""Who is told what: states, connections, gaps, errors. An error that nobody listens for is logged, so none is lost."""

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, get_args

from .errors import HubError

logger = logging.getLogger("neurograph_ws_client")

Told = Literal[
    "state", "connected", "disconnected", "resumed", "gap", "reconnection_token", "error", "goaway", "switched"
]
TOLD: tuple[Told, ...] = get_args(Told)

Listener = Callable[[Any], Any]


class Listeners:
    """The application's listeners; async ones are handed to `run_later`."""

    def __init__(self, run_later: Callable[[Awaitable[Any]], object]) -> None:
        self._run_later = run_later
        self._by_name: dict[str, list[Listener]] = {name: [] for name in TOLD}

    def add(self, name: str, listener: Listener) -> Callable[[], None]:
        """Listen; the result, called, ends it."""
        if name not in self._by_name:
            raise ValueError(f"on: expected one of {', '.join(TOLD)}, got {name!r}")
        listeners = self._by_name[name]
        listeners.append(listener)
        return lambda: listeners.remove(listener) if listener in listeners else None

    def tell(self, name: str, value: Any) -> None:
        """Call them, in the order they came; one that raises harms nobody."""
        if name == "error" and not self._by_name["error"]:
            logger.error("%s", value, exc_info=None if isinstance(value, HubError) else value)
        for listener in tuple(self._by_name[name]):
            try:
                result = listener(value)
            except Exception:
                logger.exception("a listener for %s raised", name)
            else:
                if inspect.isawaitable(result):
                    self._run_later(result)
