"""Names as M16 has them: ten messages in a row with others would end the connection for good (M15)."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .vectors import refused

_MAX_EVENT = 128
_MAX_KEY = 256
_MAX_TAGS = 16
_MAX_TAG = 256

_TAGS = "an object of at most 16 strings of at most 256 bytes, by names of 1 to 64 of A-Z a-z 0-9 _ . -"

_tag = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch
_event = re.compile(r"[A-Za-z0-9_:-]+(?:\.[A-Za-z0-9_:-]+){0,15}").fullmatch
_control = re.compile(r"[\x00-\x1f\x7f-\x9f]").search


class _Form(NamedTuple):
    expected: str
    fits: Callable[[str], object]
    # Where it is null it is not there.
    is_optional: bool = False


def _is_event(text: str) -> bool:
    return len(text) <= _MAX_EVENT and _event(text) is not None


def _is_key(text: str) -> bool:
    # Half of a surrogate pair is told as what it is, where the message is written.
    return 0 < len(text.encode(errors="surrogatepass")) <= _MAX_KEY and _control(text) is None


_EVENT = _Form("1 to 128 of A-Z a-z 0-9 _ : - in at most 16 segments joined by dots", _is_event)

# By the members of messages that hold them.
_FORMS: Mapping[str, _Form] = {
    "channel": _Form("1 to 64 of A-Z a-z 0-9 _ . : / -", re.compile(r"[A-Za-z0-9_.:/-]{1,64}").fullmatch),
    "event": _EVENT,
    "event_type": _EVENT,
    "key": _Form("1 to 256 bytes without control characters", _is_key, is_optional=True),
    "mid": _Form("1 to 64 visible ASCII characters", re.compile(r"[!-~]{1,64}").fullmatch, is_optional=True),
}


def _are_tags(tags: Mapping[Any, Any]) -> bool:
    return len(tags) <= _MAX_TAGS and all(
        isinstance(name, str)
        and _tag(name) is not None
        and isinstance(text, str)
        and len(text.encode(errors="surrogatepass")) <= _MAX_TAG
        for name, text in tags.items()
    )


def check_name(member: str, value: object) -> str:
    """The name as plain text; BadRequest where it is none."""
    form = _FORMS[member]
    if not isinstance(value, str) or not form.fits(value):
        raise refused(member, form.expected, value)
    return str(value)


def check_names(message: Mapping[str, Any]) -> None:
    """BadRequest for the first name of a message that is none, and for tags that are none."""
    if (tags := message.get("tags")) is not None and not (isinstance(tags, Mapping) and _are_tags(tags)):
        raise refused("tags", _TAGS, tags)
    for member, form in _FORMS.items():
        if member in message and not (form.is_optional and message[member] is None):
            check_name(member, message[member])
