"""The server: sessions, wire messages, login, HTTP routes, settings, reporters.

What delivers (logs, cursors, permissions, the broker) belongs to `channels`; what moves bytes belongs to `native`. Only
this package knows Starlette and uvicorn.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("neurograph-hub")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__"]
