"""Request bodies: bounded in bytes and time, then read strictly (`http_body`, `http_time`, M10-M13)."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
import orjson
from starlette.requests import ClientDisconnect, Request

from channels._native import check_json
from hub.http.answers import HttpProblem
from hub.protocol.errors import Refusal
from hub.protocol.wording import MAX_SHOWN, complaint_of

T = TypeVar("T")


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The whole body; 413 beyond `most` bytes, 408 beyond `seconds`, 415 for an encoded one."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpProblem(415, "encoding_unsupported", "expected a body without Content-Encoding")
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or len(declared) > 18 or int(declared) > most:
        raise _too_large(most, f"Content-Length {declared[:MAX_SHOWN]}")
    try:
        async with asyncio.timeout(seconds):
            return await _gather(request.stream(), most)
    except TimeoutError:
        raise HttpProblem(408, "timeout", f"expected the body within {seconds:g} s", temporary=True) from None
    except ClientDisconnect:
        raise HttpProblem(400, "bad_message", "the body ended before it was complete") from None


async def _gather(chunks: AsyncIterator[bytes], most: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise _too_large(most, "more")
    return bytes(body)


def _too_large(most: int, came: str) -> Refusal:
    return Refusal("too_large", f"expected a body of at most {most} bytes, came {came}", limit=most)


def decode(body: bytes, kind: type[T]) -> T:
    """The body as `kind`; its JSON passes the same strict scan as a message's, whatever the content type says."""
    scan(body)
    return convert(body, kind)


def scan(body: bytes) -> None:
    """M10-M13: an object, or an array of 1 to 256 objects."""
    try:
        check_json(body)
    except ValueError as error:
        raise Refusal("bad_json", str(error)) from None


def convert(text: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Scanned JSON as `kind`; a wrong member is told by its path."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        complaint = complaint_of(error, orjson.loads(text), kind)
        raise Refusal("bad_message", complaint.sentence, path=complaint.path or None) from None


def is_array(body: bytes) -> bool:
    """Whether the body is the form that carries several."""
    return body.lstrip(b" \t\r\n")[:1] == b"["
