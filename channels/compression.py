"""Content encodings (B7, B10): what is worth encoding, by which of them, and back within a limit.

For code beside the hub that makes payloads; what clients send is looked into by `hub.contents`. The Python client has
the same choice in `neurograph_ws_client.compression`, and `tests/vectors/compression.json` holds both to it.
"""

import zlib
from typing import Any, NamedTuple

import orjson

from channels._native import CONTENT_ENCODINGS

# Bytes below which nothing is tried, by what the content is.
LEAST_TEXT, LEAST_JSON, LEAST_BINARY = 512, 1_024, 2_048
# From here on gzip, whose members and checksum other tools read; below it zlib, which is shorter.
GZIP_FROM = 65_536
# Where the encoding saves less than this part, the content goes as it is.
LEAST_GAIN = 0.1
# What a hub takes for a bomb is not encoded either (L9).
MAX_RATIO = 100
MAX_DECODED = 8 << 20

_WINDOWS = {"gzip": 31, "zlib": 15, "deflate": -15}
_PACKED = ("audio/", "video/", "image/", "font/woff")
_UNPACKED = frozenset(
    {"audio/wav", "audio/x-wav", "audio/l16", "image/bmp", "image/svg+xml", "image/tiff", "image/x-ms-bmp"}
)
_ARCHIVES = frozenset(
    f"application/{name}"
    for name in ("gzip", "zip", "zstd", "x-7z-compressed", "x-bzip2", "x-rar-compressed", "x-xz", "java-archive", "pdf")
)


class Encoded(NamedTuple):
    """Content, and how it is encoded; None: as it was."""

    data: bytes
    encoding: str | None


class Compressor:
    """Chooses by size and gain (B10). `level` is zlib's, 1 to 9."""

    def __init__(self, level: int = 6) -> None:
        if level not in range(1, 10):
            raise ValueError(f"level: expected 1 to 9, got {level!r:.80}")
        self._level = level

    def compress(self, data: bytes, content_type: str = "application/octet-stream") -> Encoded:
        """`data` encoded, where that is worth it for content of this type."""
        if len(data) < _least(content_type):
            return Encoded(data, None)
        encoding = "gzip" if len(data) >= GZIP_FROM else "zlib"
        encoder = zlib.compressobj(self._level, zlib.DEFLATED, _WINDOWS[encoding])
        encoded = encoder.compress(data) + encoder.flush()
        if not len(data) / MAX_RATIO <= len(encoded) <= len(data) * (1 - LEAST_GAIN):
            return Encoded(data, None)
        return Encoded(encoded, encoding)

    def compress_text(self, text: str) -> tuple[bytes, bool]:
        """UTF-8, and whether it is encoded."""
        data, encoding = self.compress(text.encode(), "text/plain")
        return data, encoding is not None

    def compress_json(self, value: Any) -> tuple[bytes, bool]:
        """`value` as compact JSON, and whether that is encoded: `zlib` below 64 KiB, `gzip` from there."""
        data, encoding = self.compress(orjson.dumps(value), "application/json")
        return data, encoding is not None

    def decompress(self, data: bytes, encoding: str | None = None, *, limit: int = MAX_DECODED) -> bytes:
        """The content of `data`; without `encoding` gzip and zlib are told apart by their first bytes.

        ValueError where it does not decode, or to more than `limit` bytes: never more than that is made.
        """
        name = encoding or ("gzip" if data[:2] == b"\x1f\x8b" else "zlib")
        if name not in _WINDOWS:
            raise ValueError(f"encoding: expected one of {', '.join(CONTENT_ENCODINGS)}, got {name!r:.80}")
        parts: list[bytes] = []
        left = limit
        while data or not parts:
            decoder = zlib.decompressobj(_WINDOWS[name])
            try:
                parts.append(decoder.decompress(data, left + 1))
            except zlib.error as fault:
                raise ValueError(f"{name}: {fault}") from fault
            left -= len(parts[-1])
            if left < 0:
                raise ValueError(f"{name}: expected at most {limit} bytes when decoded, came more")
            if not decoder.eof:
                raise ValueError(f"{name}: expected more bytes")
            data = decoder.unused_data
            if data and name != "gzip":
                raise ValueError(f"{name}: expected the end, came {len(data)} bytes more")
        return b"".join(parts)

    def decompress_json(self, data: bytes, *, limit: int = MAX_DECODED) -> Any:
        """What `compress_json` was given, whether it was encoded or not."""
        # No JSON begins with the first byte of either.
        is_encoded = data[:1] in (b"\x1f", b"\x78")
        return orjson.loads(self.decompress(data, limit=limit) if is_encoded else data)


def _essence(content_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _least(content_type: str) -> float:
    kind = _essence(content_type)
    if kind == "application/json" or kind.endswith("+json"):
        return LEAST_JSON
    if kind in _ARCHIVES or (kind.startswith(_PACKED) and kind not in _UNPACKED):
        return float("inf")
    return LEAST_TEXT if kind.startswith("text/") else LEAST_BINARY


default_compressor = Compressor()
