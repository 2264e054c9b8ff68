"""What never leaves the process in a log or an event: credentials, URL queries, control characters (id8, id12)."""

import hashlib
import re
from typing import Any

HIDDEN = "***"
MAX_TEXT = 256
_SECRET_NAMES = re.compile(r"token$|password|secret|authorization|credential|api_?key$|payload|^data$", re.IGNORECASE)
# Looked for only where a run of its characters begins: at every place of a long run the search would be quadratic.
# A capital or a digit tells a token from the dotted name of a module.
_JWT = re.compile(r"(?<![A-Za-z0-9_-])(?=[a-z_-]*[A-Z0-9])[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_API_KEY = re.compile(r"ngk_[A-Za-z0-9_-]+")
_QUERY = re.compile(r"\?[^\s\"']*")
_URL_SECRET = re.compile(r"((?:token|key|secret|password)=)[^&\s\"']*", re.IGNORECASE)
# Everything invisible or direction-changing that JSON lets stand as it is.
_UNSEEN = re.compile("[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


def redact_text(text: str) -> str:
    """`text` without credentials, cut at 256 characters."""
    for pattern in (_JWT, _API_KEY):
        text = pattern.sub(HIDDEN, text)
    text = _URL_SECRET.sub(rf"\1{HIDDEN}", text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def redact_path(path: str) -> str:
    """A request target without its query."""
    return redact_text(_QUERY.sub(f"?{HIDDEN}", path))


def redact(value: Any, name: str = "") -> Any:
    """`value` as it may be shown under `name`."""
    if name and _SECRET_NAMES.search(name) and not isinstance(value, bool | int | float | None):
        return HIDDEN
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {str(key): redact(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact_text(str(value))


def escape_unseen(json_text: str) -> str:
    """JSON text whose strings hold no character that moves a terminal's cursor or the direction of writing."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", json_text)


def hashed(user: str) -> str:
    """A user's name as logs show it, unless they are configured to show names."""
    return "u:" + hashlib.sha256(user.encode()).hexdigest()[:12]
