"""A bot: every line of standard input is a signal, the answer says whether anything like it was there before.

    NG_TOKEN=$(ng-ws token new --role bot) python examples/bot.py < app.log

The role bot may emit and listen on signals; it may not broadcast.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import TextIO

from neurograph_ws_client import NeurographWSClient


async def lines(stream: TextIO) -> AsyncIterator[str]:
    while line := await asyncio.to_thread(stream.readline):
        if text := line.strip():
            yield text


async def main() -> None:
    url = os.environ.get("NG_URL", "ws://localhost:8000/ws")
    async with NeurographWSClient(url, token=os.environ["NG_TOKEN"], name="bot") as hub:
        async for line in lines(sys.stdin):
            reply = await hub.emit_text(line, retry=True)
            print("new" if reply.is_novel else f"like {reply.neighbors[0].token_id}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
