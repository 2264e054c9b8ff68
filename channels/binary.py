"""Ready-made messages with a payload: images, audio, video, anything (B4-B6).

What these make is the media frame of a `publish`, to be sent as one binary message over `ng-ws.v1.json`, or over no
subprotocol. The Python client has them in `neurograph_ws_client.binary`, and `tests/vectors/media.json` holds both to
the same bytes.
"""

from collections.abc import Mapping
from typing import Any

import orjson

MEDIA = b"\x01"
_PREFIX = 5

_IMAGES = {"jpg": "jpeg", "svg": "svg+xml"}
_AUDIO = {"mp3": "mpeg", "wav": "wav", "m4a": "mp4"}
_VIDEO = {"mkv": "x-matroska", "mov": "quicktime"}


class BinaryHandler:
    """Makes media frames, and takes them apart. Options besides those named: `key`, `tags`, `mid`, `id`."""

    def create_message(
        self,
        payload: bytes,
        *,
        content_type: str,
        channel: str = "actions",
        event: str = "media",
        meta: Mapping[str, Any] | None = None,
        content_encoding: str | None = None,
        **options: Any,
    ) -> bytes:
        """Any payload. `meta`: at most 32 texts, numbers and booleans; `content_encoding`: how `payload` is encoded."""
        named = {"content_type": content_type, "content_encoding": content_encoding, "meta": meta or None, **options}
        given = {name: value for name, value in named.items() if value is not None}
        message = {"type": "publish", "channel": channel, "event": event, **given}
        header = orjson.dumps(message)
        return b"".join((MEDIA, len(header).to_bytes(4, "big"), header, payload))

    def create_image_message(
        self,
        image: bytes,
        format: str,  # noqa: A002 - the word of the documents, and of `meta`
        width: int | None = None,
        height: int | None = None,
        *,
        event: str = "image",
        **options: Any,
    ) -> bytes:
        """An image: `format` is the name of its file type, sizes are pixels."""
        meta = _given(format=format, width=width, height=height)
        return self.create_message(
            image, content_type=_type("image", format, _IMAGES), event=event, meta=meta, **options
        )

    def create_audio_message(
        self,
        audio: bytes,
        format: str,  # noqa: A002
        duration: float | None = None,
        sample_rate: int | None = None,
        *,
        event: str = "audio",
        **options: Any,
    ) -> bytes:
        """Sound: seconds, and samples per second."""
        meta = _given(format=format, duration=duration, sample_rate=sample_rate)
        return self.create_message(
            audio, content_type=_type("audio", format, _AUDIO), event=event, meta=meta, **options
        )

    def create_video_message(
        self,
        video: bytes,
        format: str,  # noqa: A002
        width: int | None = None,
        height: int | None = None,
        duration: float | None = None,
        *,
        event: str = "video",
        **options: Any,
    ) -> bytes:
        """Moving pictures: pixels, and seconds."""
        meta = _given(format=format, width=width, height=height, duration=duration)
        return self.create_message(
            video, content_type=_type("video", format, _VIDEO), event=event, meta=meta, **options
        )

    def create_data_message(
        self, data: bytes, content_type: str = "application/octet-stream", *, event: str = "data", **options: Any
    ) -> bytes:
        """Structured data of any media type."""
        return self.create_message(data, content_type=content_type, event=event, **options)

    def parse_message(self, frame: bytes) -> tuple[dict[str, Any], bytes]:
        """Header and payload of a media frame; ValueError where it is none."""
        end = _PREFIX + int.from_bytes(frame[1:_PREFIX], "big")
        if frame[:1] != MEDIA or not _PREFIX <= end <= len(frame):
            raise ValueError(f"expected a media frame, came {len(frame)} bytes that are none")
        message = orjson.loads(frame[_PREFIX:end])
        if not isinstance(message, dict):
            raise ValueError(f"header: expected an object, came {type(message).__name__}")
        return message, frame[end:]


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _type(kind: str, name: str, others: Mapping[str, str]) -> str:
    low = name.lower()
    return f"{kind}/{others.get(low, low)}"


binary_handler = BinaryHandler()
