"""Peer: picows (Cython), one `send` per subscriber. Speaks just enough of the load generator's `ng` protocol."""

import sys
from collections import defaultdict

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

subscribers: dict[str, set[WSTransport]] = defaultdict(set)


class Endpoint(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            message = orjson.loads(frame.get_payload_as_bytes())
            if message["type"] == "subscribe":
                for channel in message["channels"]:
                    subscribers[channel].add(transport)
                transport.send(WSMsgType.TEXT, b'{"type":"subscribed"}')
            else:
                event = {"type": "event", "channel": message["channel"], "data": message["data"]}
                body = orjson.dumps(event)
                for subscriber in subscribers[message["channel"]]:
                    subscriber.send(WSMsgType.TEXT, body)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        for channel in subscribers.values():
            channel.discard(transport)


def endpoint(_request: WSUpgradeRequest) -> Endpoint:
    return Endpoint()


async def main() -> None:
    server = await ws_create_server(endpoint, "127.0.0.1", int(sys.argv[1]), enable_auto_ping=False)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
