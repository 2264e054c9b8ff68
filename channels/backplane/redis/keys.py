"""Names in Redis (N1): every key of a channel hashes to the slot of `{channel}`, and none joins free text."""

from hashlib import blake2b


class Keys:
    """All names begin with `prefix`, those of channels with `prefix:{channel}:`."""

    __slots__ = ("_prefix", "control", "kept", "nodes")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.control = f"{prefix}:ctl"
        """Pub/sub: what nodes tell each other."""
        self.kept = f"{prefix}:ctl:kept"
        """Stream: what a node that was cut off is to hear later (N15)."""
        self.nodes = f"{prefix}:ctl:nodes"
        """Hash: when each node was last there, and since when another sees to one that is gone (N16)."""

    def meta(self, channel: str) -> str:
        """Epoch, head, replication id, and what trimming has to know."""
        return f"{self._prefix}:{{{channel}}}:meta"

    def log(self, channel: str) -> str:
        """The stream of segments."""
        return f"{self._prefix}:{{{channel}}}:log"

    def last(self, channel: str) -> str:
        """The newest entry of each key."""
        return f"{self._prefix}:{{{channel}}}:last"

    def live(self, channel: str) -> str:
        """Pub/sub: segments as they are stored."""
        return f"{self._prefix}:{{{channel}}}:live"

    def here(self, channel: str) -> str:
        """Who follows the channel, on which nodes (C25)."""
        return f"{self._prefix}:{{{channel}}}:here"

    def mid(self, channel: str, subject: str, mid: str) -> str:
        """Where a `mid` of a subject was stored. Neither stands in the name: both are somebody's free text."""
        return f"{self._prefix}:{{{channel}}}:mid:{_digest(subject, mid)}"

    def batch(self, channel: str, batch: str) -> str:
        """What a caller's batch was answered."""
        return f"{self._prefix}:{{{channel}}}:mid:b:{batch}"

    def fence(self, channel: str, run: str) -> str:
        """The last call of a node's run that was executed, and its answer where it is remembered nowhere else."""
        return f"{self._prefix}:{{{channel}}}:mid:f:{run}"

    def claim(self, session: str) -> str:
        """The number that was given out last for a session."""
        return f"{self._prefix}:ctl:claim:{_digest(session)}"

    def members(self, node: str) -> str:
        """Channels in which a node has said that somebody is present."""
        return f"{self._prefix}:ctl:here:{node}"


def name_of_batch(batch_id: str) -> str:
    """The id of a caller's batch as it is stored: of bounded length, whatever the caller chose."""
    return "c" + _digest(batch_id)


def _digest(*parts: str) -> str:
    framed = b"".join(b"%d:%b" % (len(raw), raw) for raw in (part.encode() for part in parts))
    return blake2b(framed, digest_size=16).hexdigest()
