"""A dashboard of twenty lines: the newest value of every figure, redrawn as it changes. Needs rich."""

import asyncio
import contextlib
import os

from neurograph_ws_client import Channel, NeurographWSClient
from rich.live import Live
from rich.table import Table


async def main() -> None:
    figures: dict[tuple[str, str], str] = {}
    async with NeurographWSClient(os.environ.get("NG_URL", "ws://localhost:8000/ws"), name="dashboard") as hub:
        with Live(refresh_per_second=4) as screen:
            async for event in hub.subscribe(Channel.METRICS, delivery="latest", max_rate=10):
                figures.update({(str(event.key), name): str(value) for name, value in event.items()})
                table = Table("series", "figure", "value", title=f"{hub.url}: {hub.state}")
                for (series, name), value in sorted(figures.items()):
                    table.add_row(series, name, value)
                screen.update(table)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
