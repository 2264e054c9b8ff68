"""Lines of a recording (`neurograph_ws_client.recordings`), written as they came, and read."""

import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from neurograph_ws_client import Gap, recordings
from neurograph_ws_client.recordings import Recorded, RecordingError

from ..escape import json_line
from ..exits import Exit, Failed
from ..render import Item, object_line

__all__ = ["Recorded", "Writer", "recorded"]


class Writer:
    """A renderer of recorded lines. `url`: without what is secret in it."""

    def __init__(self, url: str, channels: tuple[str, ...]) -> None:
        self._began = monotonic()
        self._header = recordings.header(url, channels)

    def header(self) -> bytes:
        """What stands first."""
        return object_line(self._header)

    def __call__(self, item: Item) -> bytes:
        """An event or a gap, with the time at which it came."""
        t = f'"t":{monotonic() - self._began:.6f}'.encode()
        if isinstance(item, Gap):
            return b"{" + t + b',"gap":' + json_line(item.wire) + b"}\n"
        position = json.dumps(item.position).encode()
        return b"{" + t + b',"position":' + position + b',"event":' + json_line(item.wire) + b"}\n"


def recorded(path: Path) -> Iterator[Recorded]:
    """Read a recording line by line; what is none, or is broken, is told with its line."""
    try:
        yield from recordings.recorded(path)
    except RecordingError as fault:
        raise Failed(Exit.USAGE, fault.message, fault.hint) from fault
