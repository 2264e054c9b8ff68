"""The server: sessions, wire messages, login, HTTP routes, settings, reporters.

What delivers (logs, cursors, permissions, the broker) belongs to `channels`; what moves bytes belongs to `native`. Only
this package knows Starlette and uvicorn.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.runtime import Runtime

try:
    __version__ = version("neurograph-hub")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"

__all__ = ["Runtime", "__version__"]


def __getattr__(name: str) -> Any:
    """`hub.Runtime`, with all that a hub needs, is imported when it is wanted."""
    if name == "Runtime":
        from hub.runtime import Runtime  # noqa: PLC0415

        return Runtime
    raise AttributeError(f"module 'hub' has no attribute {name!r}")
