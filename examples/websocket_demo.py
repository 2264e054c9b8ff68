"""The documents' demo: what a hub says, for half a minute or until Ctrl-C.

    python examples/websocket_demo.py [ws://localhost:8000/ws]

As anonymous it follows metrics and status; with a token in NG_TOKEN also signals, and it sends one itself.
"""

import asyncio
import os
import sys

from neurograph_ws_client import Channel, NeurographWSClient


async def main(url: str, seconds: float = 30.0) -> None:
    client = NeurographWSClient(url=url, token=os.environ.get("NG_TOKEN"), name="demo")
    client.on("state", lambda change: print(f"-- {change.old} -> {change.new} {change.reason}"))
    client.on("gap", lambda gap: print(f"-- {gap}"))
    welcome = await client.connect()
    print(f"Connected to {welcome.node} as {welcome.role}; channels: {', '.join(welcome.channels)}")

    client.subscribe(Channel.METRICS, lambda data: print(f"Metrics: {data}"))
    client.subscribe(Channel.STATUS, lambda event: print(f"Status of {event.key}: {event}"))
    if welcome.may("subscribe", Channel.SIGNALS):
        await client.subscribe(Channel.SIGNALS, lambda event: print(f"Signal {event.event}: {event}"))
    if welcome.may("emit", Channel.SIGNALS):
        emitted = await client.emit_text("Hello, NeuroGraph!")
        print(f"Emitted token {emitted.token_id}: {'new' if emitted.is_novel else 'known'}")

    try:
        async with asyncio.timeout(seconds):
            await client.run_forever()
    except TimeoutError:
        print(client)
    finally:
        await client.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NG_URL", "ws://localhost:8000/ws")))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
