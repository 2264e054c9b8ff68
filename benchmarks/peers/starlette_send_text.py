"""Peer: a plain Starlette endpoint that calls `send_text` once per subscriber and event, under uvicorn.

Speaks just enough of the load generator's `ng` protocol: `subscribe` is answered by `subscribed`, `publish` goes to
every subscriber of its channel. No rights, no log, no positions: what is compared is the fan-out alone.
"""

import sys
from collections import defaultdict

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

subscribers: dict[str, set[WebSocket]] = defaultdict(set)


async def endpoint(ws: WebSocket) -> None:
    await ws.accept()
    try:
        while True:
            message = orjson.loads(await ws.receive_text())
            if message["type"] == "subscribe":
                for channel in message["channels"]:
                    subscribers[channel].add(ws)
                await ws.send_text('{"type":"subscribed"}')
            else:
                text = orjson.dumps(
                    {"type": "event", "channel": message["channel"], "event": message["event"], "data": message["data"]}
                ).decode()
                for subscriber in list(subscribers[message["channel"]]):
                    await subscriber.send_text(text)
    except WebSocketDisconnect:
        for channel in subscribers.values():
            channel.discard(ws)


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[WebSocketRoute("/ws", endpoint)]),
        port=int(sys.argv[1]),
        loop="uvloop",
        log_level="warning",
        access_log=False,
        ws_per_message_deflate=False,
    )
