"""What a JWT says about itself, unchecked: for people, and for no decision that matters."""

import base64
import json
from collections.abc import Mapping
from typing import Any


def claims_of(token: str) -> Mapping[str, Any] | None:
    """The claims; None for a token that is no JWT, such as an API key."""
    parts = token.split(".")
    try:
        return part(parts[1]) if len(parts) == 3 else None
    except ValueError:
        return None


def part(text: str) -> Mapping[str, Any]:
    """One of its first two parts; ValueError says what came in its place."""
    try:
        content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as fault:
        raise ValueError("expected base64url of JSON in its first two parts, got something else") from fault
    if not isinstance(content, Mapping):
        raise ValueError("expected JSON objects in its first two parts, got something else")
    return content
