"""`ng-ws pub`: store events in a channel."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from neurograph_ws_client import NeurographWSClient, Published

from .attachment import Attachment
from .exits import misused
from .hub import connected
from .lines import stdin_lines
from .notes import Notes
from .render import object_line
from .settings import Format, Settings
from .stdout import put


@dataclass(frozen=True, slots=True)
class Publishing:
    """The options of `pub`; `data` is JSON, else text, and `-` every line of stdin."""

    channel: str
    data: str | None = None
    event: str = "message"
    key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    repeat: int = 1
    every: float = 0.0
    attachment: Attachment | None = None


def value_of(text: str | None) -> Any:
    """JSON where it is JSON, the text itself where it is not."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def tags_of(pairs: list[str]) -> dict[str, str]:
    """Read `--tag k=v`."""
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise misused("--tag", "NAME=VALUE", pair)
        tags[name] = value
    return tags


async def publish(settings: Settings, options: Publishing) -> None:
    """Publish, and say where each event was stored."""
    notes = Notes(settings)
    count = 0
    async with connected(settings, notes) as client:
        async for data in _data(options):
            stored = await _store(client, options, data)
            count += 1
            _tell(settings, options.channel, stored)
    if count != 1:
        notes.say(f"{count} events published on {options.channel}")


async def _store(client: NeurographWSClient, options: Publishing, data: Any) -> Published:
    tags, media = options.tags or None, options.attachment
    if media is None:
        return await client.publish(options.channel, data, event=options.event, key=options.key, tags=tags, retry=True)
    return await client.publish_media(
        options.channel,
        media.content,
        event=options.event,
        content_type=media.content_type,
        meta=media.meta or None,
        key=options.key,
        tags=tags,
        retry=True,
    )


async def _data(options: Publishing) -> AsyncIterator[Any]:
    if options.data == "-":
        async for line in stdin_lines():
            yield value_of(line)
        return
    for number in range(options.repeat):
        if number and options.every:
            await asyncio.sleep(options.every)
        yield value_of(options.data)


def _tell(settings: Settings, channel: str, stored: Published) -> None:
    match settings.format:
        case Format.JSON:
            line = object_line({"channel": channel, "position": stored.position, "duplicate": stored.duplicate})
        case Format.COMPACT | Format.RAW:
            line = f"{stored.position}\n".encode()
        case Format.PRETTY:
            line = f"stored on {channel} at {stored.position}\n".encode()
    put(line)
