"""The few words of Redis's protocol that a run needs: a command, its reply, a connection that lasts as long as both."""

import asyncio
from ssl import SSLContext
from typing import Any

PATIENCE = 2.0

Word = str | int | bytes


class RedisError(Exception):
    """Redis answered with an error, in its own words."""


async def ask(port: int, *words: Word, wait: float = PATIENCE, trust: SSLContext | None = None) -> Any:
    """One command to a Redis on loopback. -> None, int, bytes or a list of them

    OSError or TimeoutError where nobody answers; RedisError is what Redis said instead of a reply.
    """
    async with asyncio.timeout(wait):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        try:
            writer.write(packed(*words))
            return await read(reader)
        except EOFError as fault:
            raise ConnectionError("redis closed the connection") from fault
        finally:
            writer.close()


def packed(*words: Word) -> bytes:
    """A command as it is sent."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


async def read(reader: asyncio.StreamReader) -> Any:
    """The next reply; RedisError if it is an error, IncompleteReadError at the end."""
    line = (await reader.readuntil(b"\r\n"))[:-2]
    kind, rest = line[:1], line[1:]
    match kind:
        case b"+":
            return rest
        case b":":
            return int(rest)
        case b"$":
            return None if int(rest) < 0 else (await reader.readexactly(int(rest) + 2))[:-2]
        case b"*":
            return None if int(rest) < 0 else [await read(reader) for _ in range(int(rest))]
        case b"-":
            raise RedisError(rest.decode(errors="replace"))
    raise RedisError(f"expected a reply, got {line[:40]!r}")
