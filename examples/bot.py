"""A bot: every line of standard input is a signal, the answer says whether anything like it was there before.

    export NG_TOKEN=$(ng-ws token new --role bot)
    tail -f app.log | python examples/bot.py

The role bot may emit and listen on signals; it may not broadcast.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import TextIO

from neurograph_ws_client import NeurographWSClient


async def lines(stream: TextIO) -> AsyncIterator[str]:
    """Lines as they come; the loop is never blocked, since the connection has a heartbeat to answer."""
    loop, descriptor, rest = asyncio.get_running_loop(), stream.fileno(), b""
    while True:
        if not stream.seekable():
            readable = asyncio.Event()
            loop.add_reader(descriptor, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(descriptor)
        chunk = os.read(descriptor, 65536)
        *whole, rest = (rest + chunk).split(b"\n") if chunk else [rest, b""]
        for line in whole:
            if text := line.decode(errors="replace").strip():
                yield text
        if not chunk:
            return


async def main() -> None:
    url = os.environ.get("NG_URL", "ws://localhost:8000/ws")
    async with NeurographWSClient(url, token=os.environ["NG_TOKEN"], name="bot") as hub:
        async for line in lines(sys.stdin):
            reply = await hub.emit_text(line, retry=True)
            print("new" if reply.is_novel else f"like {reply.neighbors[0].token_id}", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
