"""Messages for people and files: no credential and no reconnection token is ever in them."""

import json
from collections.abc import Mapping
from typing import Any

from .listeners import logger

_SECRETS = frozenset({"token", "resume"})
_HIDDEN = "***"


def without_secrets(message: Any) -> Any:
    """A message with what is secret replaced; anything else as it is."""
    if not isinstance(message, Mapping) or _SECRETS.isdisjoint(message):
        return message
    return {name: _HIDDEN if name in _SECRETS else value for name, value in message.items()}


def log_messages(sign: str, messages: Any) -> None:
    """Log each message of a frame as a line of JSON, whatever form the frame has."""
    for message in messages if isinstance(messages, list | tuple) else (messages,):
        shown = without_secrets(message)
        text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"), default=repr, skipkeys=True)
        logger.debug("%s %.2000s", sign, text)
