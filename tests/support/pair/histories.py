"""The truth that a model needs: every entry that a hub has ever stored, written down where it is appended."""

from neurograph_ws_client.positions import Position

CHANNELS = ("logs", "actions")
"""Both deliver `all`; `logs` has a gap where it is overrun, `actions` is closed (S12)."""


class Histories:
    """Channel -> epoch -> offset -> the number that was published there. The first at a place is the one (P1)."""

    def __init__(self) -> None:
        self._by_channel: dict[str, dict[str, dict[int, int]]] = {channel: {} for channel in CHANNELS}

    def begun(self, channel: str, epoch: str) -> None:
        """A history begins, or goes on."""
        known = self._by_channel[channel]
        known[epoch] = known.pop(epoch, {})

    def stored(self, channel: str, epoch: str, offset: int, number: int) -> None:
        """An entry has its place."""
        self._by_channel[channel][epoch].setdefault(offset, number)

    def entry(self, channel: str, epoch: str, offset: int) -> int | None:
        """What was published there."""
        return self._by_channel[channel].get(epoch, {}).get(offset)

    def epochs(self, channel: str) -> list[str]:
        """The histories of a channel, the present one last."""
        return list(self._by_channel[channel])

    def head(self, channel: str) -> Position:
        """The newest entry of the present history."""
        epoch = self.epochs(channel)[-1]
        return Position(epoch, max(self._by_channel[channel][epoch], default=0))

    def each(self) -> list[tuple[str, str, list[int]]]:
        """(channel, epoch, numbers) of every history."""
        return [
            (channel, epoch, list(entries.values()))
            for channel, histories in self._by_channel.items()
            for epoch, entries in histories.items()
        ]
