"""A hub inside a program: signals in, what is new and what is near out; others may connect meanwhile.

    python examples/embedded.py [TEXT]

Needs the server (`neurograph-hub`) in the same environment. The port is a free one, and nothing is written to disk.
"""

import asyncio
import sys

from neurograph_ws_client import Last, NeurographWSClient

from hub import Runtime

LINES = (
    "disk failing on db4",
    "Disk failing on DB4!",
    "login refused for ann",
    "disk is slow on db7",
    "payment accepted",
)


async def follow(url: str, token: str, count: int) -> list[int]:
    """Tokens of the newest `count` signals, as a client of this hub sees them."""
    async with NeurographWSClient(url, token=token, name="follower") as client:
        signals = client.subscribe("signals", start=Last(count))
        return [(await signals.next(timeout=5))["token_id"] for _ in range(count)]


def main(text: str) -> None:
    with Runtime() as hub:
        print(f"{hub.status()} at {hub.url}")
        for line in LINES:
            result = hub.emit("signal.input.text", line, priority=200, payload={"text": line})
            print(f"token {result.token_id}  {'new  ' if result.is_novel else 'known'}  {line}")
        for token, similarity in hub.query(text).top(3):
            print(f"{similarity:.3f}  {LINES[token.token_id - 1]}")
        seen = asyncio.run(follow(hub.url, hub.token("bot"), len(LINES)))
        print(f"a client saw tokens {', '.join(map(str, seen))}")
    print(hub.status())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "disk failing")
