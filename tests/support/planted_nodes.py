"""Bugs of a cluster, planted from outside into every node: what N4, N7 and N8 forbid.

They change what the scripts see of Redis, and what the backplane may tell the logs of its node. Nothing of this is in
the product; `planted.py` starts a hub with one of them.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha1
from importlib import import_module
from typing import Any

from channels.publication import Position

OFFSET_REUSED_AFTER_FAILOVER = "offset-reused-after-failover"
HOLE_EXPOSED = "hole-exposed"
EPOCH_SWALLOWED = "epoch-swallowed"
NODE_BUGS = (OFFSET_REUSED_AFTER_FAILOVER, HOLE_EXPOSED, EPOCH_SWALLOWED)

# In front of a script: `redis.call` with one reply of it changed.
_SHADOW = """
local real_redis = redis
local redis = setmetatable({call = function(command, ...)
  local got = real_redis.call(command, ...)
  %s
  return got
end}, {__index = real_redis})
"""

# Every master has the same id, so a promotion is not noticed.
SAME_MASTER = _SHADOW % (
    "if command == 'INFO' then got = string.gsub(got, 'master_replid:%w+', 'master_replid:' .. string.rep('0', 40)) end"
)
# Of what a node missed the store has nothing to give.
NOTHING_READ = _SHADOW % "if command == 'XRANGE' then got = {} end"

_HEAD = "#!lua\n"


def shadowed(text: str, shadow: str) -> str:
    """The text of a script with a shadow in front, behind its first line if that names the engine."""
    return _HEAD + shadow + text.removeprefix(_HEAD)


def plant_in_scripts(scripts: Iterable[Any], shadow: str) -> None:
    """Change scripts, and the names by which Redis knows them."""
    for script in scripts:
        script.text = shadowed(script.text, shadow)
        script.sha = sha1(script.text.encode(), usedforsecurity=False).hexdigest()


class Muffled:
    """`Replicas` whose logs go on as if nothing had happened, where `swallows` says so.

    What the backplane calls (epoch, offset) is in the log at (former epoch, offset - shift): it goes on counting.
    """

    def __init__(self, replicas: Any, bug: str) -> None:
        self._replicas = replicas
        self._bug = bug
        # By channel: the epoch as the backplane knows it, and how far its offsets are ahead of those in the log.
        self._known: dict[str, tuple[str, int]] = {}

    def replica(self, channel: str) -> Any:
        followed = self._replicas.replica(channel)
        return followed._replace(position=self._real(channel, followed.position))

    def replicas(self) -> Iterable[Any]:
        return [one._replace(position=self._real(one.channel, one.position)) for one in self._replicas.replicas()]

    def apply(self, channel: str, epoch: str, first: int, entries: bytes) -> Position:
        shown = self._replicas.replica(channel).position
        _, shift = self._known.get(channel, (epoch, 0))
        return self._real(channel, self._replicas.apply(channel, shown.epoch, first - shift, entries))

    def begin(self, channel: str, position: Position) -> None:
        shown = self._replicas.replica(channel).position
        real = self._real(channel, shown)
        if channel in self._known and self._is_swallowed(real, position):
            self._known[channel] = (position.epoch, position.offset - shown.offset)
            return
        self._known[channel] = (position.epoch, 0)
        self._replicas.begin(channel, position)

    def restore(self, channel: str, newest: Sequence[tuple[int, bytes]]) -> None:
        if self._known.get(channel, ("", 0))[1] == 0:
            self._replicas.restore(channel, newest)

    def _is_swallowed(self, real: Position, position: Position) -> bool:
        is_new = real.epoch != position.epoch
        return is_new if self._bug == EPOCH_SWALLOWED else not is_new and position.offset > real.offset

    def _real(self, channel: str, shown: Position) -> Position:
        epoch, shift = self._known.get(channel, (shown.epoch, 0))
        return Position(epoch, shown.offset + shift)


def plant_muffled(bug: str) -> None:
    """Give the backplane of the node muffled logs."""
    kind: Any = import_module("channels.backplane.redis.backplane").RedisBackplane
    start = kind.start

    async def planted_start(self: Any, deliver: Any, replicas: Any) -> None:
        await start(self, deliver, Muffled(replicas, bug))

    kind.start = planted_start


def plant_in_node(bug: str) -> None:
    """Plant one of `NODE_BUGS` before the hub starts."""
    scripts = import_module("channels.backplane.redis.scripts")
    if bug == OFFSET_REUSED_AFTER_FAILOVER:
        plant_in_scripts(scripts.ALL, SAME_MASTER)
        return
    if bug == HOLE_EXPOSED:
        plant_in_scripts([script for script in scripts.ALL if script.name == "read"], NOTHING_READ)
    plant_muffled(bug)
