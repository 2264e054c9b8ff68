"""What a session knows of channels and of its rights there: publishers repeat themselves."""

from channels.config import Catalog, ChannelConfig
from channels.permissions import Rights
from hub.auth import Identity

MAX_KNOWN = 64
"""Channels that are remembered."""


class KnownChannels(dict[str, tuple[ChannelConfig | None, Rights]]):
    """By name; to be cleared when the session acts for somebody else."""

    __slots__ = ("_catalog",)

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self._catalog = catalog

    def find(self, channel: str, identity: Identity) -> tuple[ChannelConfig | None, Rights]:
        """What `channel` is (None: nothing) and what `identity` may do there; remembered from now on."""
        if len(self) >= MAX_KNOWN:
            self.clear()
        rights = self._catalog.rights(channel, identity.role, identity.subject)
        found = self[channel] = self._catalog.find(channel), rights
        return found
