"""Redis as it is and as it fails, for tests: real servers of a test's own, on free ports, ended by their ids.

`servers` one server, plain or with TLS; `pair` a master and a replica, with a fail-over that loses; `sentinels` three
that fail over by themselves; `cluster` three masters; `links` ways that can be cut; `poison` what no bus should carry.
Everything is an async context manager that leaves no process and no file. The process classes are those of
`ng-ws verify`, whose faults are the same.
"""

from .cluster import Cluster
from .links import Way
from .pair import Pair
from .poison import Ear, poison, poisons
from .sentinels import Sentinels
from .servers import BINARY, Server, TlsServer, needs_redis

__all__ = [
    "BINARY",
    "Cluster",
    "Ear",
    "Pair",
    "Sentinels",
    "Server",
    "TlsServer",
    "Way",
    "needs_redis",
    "poison",
    "poisons",
]
