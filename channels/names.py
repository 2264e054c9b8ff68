"""What names, keys, tags and trace contexts look like (M16, M17). Each is a bounded text, checked in linear time."""

import re
from collections.abc import Mapping

MAX_CHANNEL = 64
MAX_EVENT = 128
MAX_SEGMENTS = 16
MAX_KEY_BYTES = 256
MAX_TAGS = 16
MAX_TAG_NAME = 64
MAX_TAG_BYTES = 256
MAX_TRACEPARENT = 512

_channel = re.compile(r"[A-Za-z0-9_.:/-]{1,64}").fullmatch
_event = re.compile(r"[A-Za-z0-9_:-]+(?:\.[A-Za-z0-9_:-]+){0,15}").fullmatch
_tag = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch
_mid = re.compile(r"[!-~]{1,64}").fullmatch
_control = re.compile(r"[\x00-\x1f\x7f-\x9f]").search
_traceparent = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?").fullmatch
_tracestate = re.compile(r"[\x20-\x7e\t]{1,512}").fullmatch


def is_channel_name(text: str) -> bool:
    """1-64 of `[A-Za-z0-9_.:/-]`."""
    return _channel(text) is not None


def is_event_name(text: str) -> bool:
    """1-128 of `[A-Za-z0-9_:-]` in at most 16 segments joined by dots."""
    return len(text) <= MAX_EVENT and _event(text) is not None


def is_key(text: str) -> bool:
    """1-256 bytes of UTF-8 without control characters."""
    return 0 < len(text) <= MAX_KEY_BYTES and _has_bytes(text, MAX_KEY_BYTES) and _control(text) is None


def is_mid(text: str) -> bool:
    """1-64 of `[!-~]`."""
    return _mid(text) is not None


def is_tag_name(text: str) -> bool:
    """1-64 of `[A-Za-z0-9_.-]`."""
    return _tag(text) is not None


def check_tags(tags: Mapping[str, object]) -> tuple[str, str] | None:
    """None if `tags` are as M16 says, else (path of the offending member, what was expected and what came)."""
    if len(tags) > MAX_TAGS:
        return "tags", f"expected at most {MAX_TAGS} tags, came {len(tags)}"
    for name, value in tags.items():
        if not is_tag_name(name):
            expected = "expected a name of 1 to 64 of A-Z a-z 0-9 _ . -"
            return f"tags.{name[:MAX_TAG_NAME]}", f"{expected}, came {name[:MAX_TAG_NAME]!r}"
        if not isinstance(value, str):
            return f"tags.{name}", f"expected a string, came {type(value).__name__}"
        if not _has_bytes(value, MAX_TAG_BYTES):
            return f"tags.{name}", f"expected at most {MAX_TAG_BYTES} bytes of UTF-8"
    return None


def is_traceparent(text: str) -> bool:
    """A `traceparent` of W3C Trace Context: of version 00, or at most 512 bytes of a later one that begins like it."""
    found = _traceparent(text) if len(text) <= MAX_TRACEPARENT else None
    if found is None:
        return False
    version, trace, parent, rest = found.groups()
    return version != "ff" and (version != "00" or rest is None) and trace.strip("0") != "" and parent.strip("0") != ""


def trace_context(traceparent: str | None, tracestate: str | None) -> tuple[str | None, str | None]:
    """What of the two is passed on: an invalid `traceparent` is dropped and takes its `tracestate` with it (M17)."""
    if traceparent is None or not is_traceparent(traceparent):
        return None, None
    return traceparent, tracestate if tracestate is not None and _tracestate(tracestate) else None


def _has_bytes(text: str, most: int) -> bool:
    """Whether `text` is at most `most` bytes of UTF-8; lone surrogates have no bytes at all."""
    if text.isascii():
        return len(text) <= most
    try:
        return len(text) <= most and len(text.encode()) <= most
    except UnicodeEncodeError:
        return False
