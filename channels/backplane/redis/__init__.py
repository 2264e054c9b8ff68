"""Nodes that share one Redis (PROTOCOL.md N, hardening.md 5). The only package that imports `redis`.

What belongs here: the scripts that make the order of a channel, the way of a publication to them (`outbox`), the way of
a segment from them to the logs of this node (`feed`, `following`, `healing`), what proves that both ways are whole
(`canary`, `heads`, `continuity`), and what nodes tell each other (`bus`). What does not: subscribers, sessions, HTTP.
"""

from channels.backplane.redis.backplane import RedisBackplane
from channels.backplane.redis.bus import RedisBus
from channels.backplane.redis.options import RedisOptions, StoreOptions

__all__ = ["RedisBackplane", "RedisBus", "RedisOptions", "join"]


def join(options: StoreOptions) -> tuple[RedisBackplane, RedisBus]:
    """The backplane and the bus of one node. Nothing is contacted before the backplane starts."""
    backplane = RedisBackplane(RedisOptions.of(options))
    return backplane, backplane.bus
