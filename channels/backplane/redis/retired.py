"""Masters that are believed no longer, by channel: others have been told where this node stands without them (N5).

No I/O: `now` is an argument, seconds of one monotonic clock.
"""

import math
from collections import OrderedDict

from channels.backplane.redis.segment import is_by

RETIRED_SECONDS = 300.0
"""After so long no connection leads to a former master any more."""
MOST_CHANNELS = 20_000
MOST_MASTERS = 4
"""Of one channel."""


class Retired:
    """For `RETIRED_SECONDS`, or until a connection that was begun later finds the master by the way that is configured.

    By channel, since a master of a cluster that has lost the slot of one still has those of others.
    """

    def __init__(self) -> None:
        self._since: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def add(self, channel: str, replid: str, now: float) -> None:
        """The master of that id is a former one of `channel`."""
        masters = self._since.setdefault(channel, OrderedDict())
        self._since.move_to_end(channel)
        masters[replid] = now
        masters.move_to_end(replid)
        if len(masters) > MOST_MASTERS:
            masters.popitem(last=False)
        if len(self._since) > MOST_CHANNELS:
            self._since.popitem(last=False)

    def holds(self, channel: str, replid: str, now: float) -> bool:
        """Whether what that master says of `channel` is not believed."""
        masters = self._since.get(channel)
        return masters is not None and now - masters.get(replid, -math.inf) <= RETIRED_SECONDS

    def wrote(self, channel: str, batch: str, now: float) -> bool:
        """Whether the segment of this name was stored by such a master."""
        masters = self._since.get(channel)
        if not masters:
            return False
        return any(now - since <= RETIRED_SECONDS and is_by(batch, replid) for replid, since in masters.items())

    def found(self, replid: str, begun_at: float) -> bool:
        """A connection begun then has found the master of that id. -> whether it was believed no longer"""
        channels = [one for one, masters in self._since.items() if masters.get(replid, begun_at) < begun_at]
        for channel in channels:
            masters = self._since[channel]
            del masters[replid]
            if not masters:
                del self._since[channel]
        return bool(channels)
