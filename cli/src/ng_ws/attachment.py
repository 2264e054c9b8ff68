"""`ng-ws pub --media`: a file with its media type and what is said about it."""

import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .exits import Exit, Failed, misused

MOST = 64 << 20
"""Bytes of a file that are read; the hub's own limit is told in its answer."""
Meta = str | float | bool


@dataclass(frozen=True, slots=True)
class Attachment:
    """The bytes, their type, and `meta` (B6)."""

    content: bytes
    content_type: str
    meta: Mapping[str, Meta]


def attachment_of(media: str | None, content_type: str | None, meta: list[str], *, has_data: bool) -> Attachment | None:
    """Read `--media`, `--content-type` and `--meta`; None without the first."""
    if media is None:
        if content_type is not None or meta:
            raise misused("pub", "--media FILE beside --content-type and --meta", "none")
        return None
    if has_data:
        raise misused("pub", "data, or --media FILE", "both")
    kind = content_type or mimetypes.guess_type(media)[0]
    if kind is None:
        raise misused("--content-type", "a media type, since the name of the file tells none", media)
    return Attachment(_content(Path(media)), kind, dict(map(_pair, meta)))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except OSError as fault:
        raise Failed(Exit.USAGE, f"--media: expected a readable file, got {path}: {fault.strerror}") from fault
    if len(content) > MOST:
        raise misused("--media", f"at most {MOST} bytes", path.stat().st_size)
    return content


def _pair(text: str) -> tuple[str, Meta]:
    """A number or a truth value where it is one, else the text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise misused("--meta", "NAME=VALUE", text)
    try:
        found = json.loads(value)
    except ValueError:
        return name, value
    return name, found if isinstance(found, int | float | bool) else value
