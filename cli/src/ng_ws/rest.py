"""The hub's REST interface, as the settings say."""

from typing import Any

from neurograph_ws_client.rest import Rest

from ._version import __version__
from .settings import Settings


def call(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """The `data` of an answer; HubError by the code of a refusal."""
    context = None
    if settings.is_insecure:
        from .hub import trusting  # noqa: PLC0415 - only who asks for it needs TLS of that kind

        context = trusting()
    rest = Rest(settings.url, settings.token, settings.timeout, context, agent=f"ng-ws/{__version__}")
    return rest.call(method, path, body)
