"""Nodes that share one Redis (PROTOCOL.md N, hardening.md 5). The only package that imports `redis`.

What belongs here: the scripts that make the order of a channel, the way of a publication to them (`outbox`), the way of
a segment from them to the logs of this node (`feed`, `following`, `healing`), and what proves that both ways are whole
(`canary`, `heads`, `continuity`). What does not: subscribers, sessions, anything of HTTP.
"""

from channels.backplane.redis.backplane import RedisBackplane
from channels.backplane.redis.options import RedisOptions

__all__ = ["RedisBackplane", "RedisOptions"]
