"""`ng-ws pub`: store events in a channel."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from neurograph_ws_client import AUTO, NeurographWSClient, Published

from .attachment import Attachment
from .exits import misused
from .hub import connected
from .lines import stdin_lines
from .notes import Notes
from .render import object_line
from .settings import Format, Settings
from .stdout import put
from .values import Form, line_of, value_of


@dataclass(frozen=True, slots=True)
class Publishing:
    """The options of `pub`; `data` is JSON or text, and `-` every line of stdin.

    `mid` is that of a single event, of several the n-th has `mid.n`: what is run again is not stored twice (M31).
    """

    channel: str
    data: str | None = None
    event: str = "message"
    key: str | None = None
    mid: str | None = None
    form: Form = Form.LIKELY
    tags: Mapping[str, str] = field(default_factory=dict)
    repeat: int = 1
    every: float = 0.0
    attachment: Attachment | None = None


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
    if options.data != "-":
        # A mistake is told before anything is stored.
        value_of(options.data, form=options.form)
    async with connected(settings, notes) as client:
        async for data in _data(options):
            count += 1
            try:
                stored = await _store(client, options, data, _mid(options, count))
            except BaseException:
                if options.data == "-" or options.repeat > 1:
                    notes.say(f"it ended at event {count}, with {count - 1} published on {options.channel}")
                raise
            _tell(settings, options.channel, stored)
    if count != 1:
        notes.say(f"{count} events published on {options.channel}")


def _mid(options: Publishing, number: int) -> Any:
    """That of the n-th event; without one the client makes its own."""
    is_single = options.data != "-" and options.repeat == 1
    return AUTO if options.mid is None else options.mid if is_single else f"{options.mid}.{number}"


async def _store(client: NeurographWSClient, options: Publishing, data: Any, mid: Any) -> Published:
    tags, media = options.tags or None, options.attachment
    if media is None:
        return await client.publish(
            options.channel, data, event=options.event, key=options.key, tags=tags, mid=mid, retry=True
        )
    return await client.publish_media(
        options.channel,
        media.content,
        event=options.event,
        content_type=media.content_type,
        meta=media.meta or None,
        key=options.key,
        tags=tags,
        mid=mid,
        retry=True,
    )


async def _data(options: Publishing) -> AsyncIterator[Any]:
    if options.data == "-":
        number = 0
        async for line in stdin_lines():
            number += 1
            yield line_of(line, f"stdin, event {number}", options.form)
        return
    for number in range(options.repeat):
        if number and options.every:
            await asyncio.sleep(options.every)
        yield value_of(options.data, form=options.form)


def _tell(settings: Settings, channel: str, stored: Published) -> None:
    match settings.format:
        case Format.JSON:
            line = object_line({"channel": channel, "position": stored.position, "duplicate": stored.duplicate})
        case Format.COMPACT | Format.RAW:
            line = f"{stored.position}\n".encode()
        case Format.PRETTY:
            line = f"stored on {channel} at {stored.position}\n".encode()
    put(line)
