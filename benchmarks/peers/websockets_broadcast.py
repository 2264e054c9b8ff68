"""Peer: the `websockets` library with its own `broadcast()`, which encodes a frame once for all subscribers.

Speaks just enough of the load generator's `ng` protocol (see starlette_send_text.py).
"""

import asyncio
import sys
from collections import defaultdict

import orjson
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

subscribers: dict[str, set[ServerConnection]] = defaultdict(set)


async def endpoint(ws: ServerConnection) -> None:
    try:
        async for text in ws:
            message = orjson.loads(text)
            if message["type"] == "subscribe":
                for channel in message["channels"]:
                    subscribers[channel].add(ws)
                await ws.send('{"type":"subscribed"}')
            else:
                channel = message["channel"]
                event = {"type": "event", "channel": channel, "event": message["event"], "data": message["data"]}
                broadcast(subscribers[channel], orjson.dumps(event).decode())
    except ConnectionClosed:
        pass
    finally:
        for channel in subscribers.values():
            channel.discard(ws)


async def main() -> None:
    async with serve(endpoint, "127.0.0.1", int(sys.argv[1]), compression=None, ping_interval=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(main())
