"""What an operator may set about Redis; `hub` fills it from its settings."""

from dataclasses import dataclass, field, fields
from typing import Protocol, Self

MIB = 1_048_576


class StoreOptions(Protocol):
    """What the hub knows of them: names of fields below, as many as it has settings for."""

    @property
    def url(self) -> str:
        """See `RedisOptions`."""
        ...

    @property
    def node(self) -> str:
        """See `RedisOptions`."""
        ...


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Seconds and bytes, unless a line says otherwise. Figures: hardening.md, section 1."""

    url: str = field(repr=False)
    """redis://, rediss://, unix://; redis+sentinel://host:port,host:port/master; redis+cluster://host:port,host:port.

    `rediss+sentinel` and `rediss+cluster` speak TLS. It may hold a password, so no `repr` and no log shows it.
    """
    node: str
    """Name of this node, different from those of all others."""
    prefix: str = "ng"
    """What all keys begin with (N1)."""
    connect: float = 1.0
    command: float = 2.0
    """A command that is not answered for so long costs its connection, which is never used again."""
    pool: int = 16
    """Commands on their way at once on one connection: it does what a pool of so many connections would."""
    backoff: tuple[float, float] = (0.1, 5.0)
    """Between two attempts to connect: first and longest, with full jitter."""
    outbox: int = 10_000
    """Publications that may wait (N11)."""
    outbox_bytes: int = 64 * MIB
    outbox_wait: float = 5.0
    batch_bytes: int = MIB
    """Of the entries of one append; a single publication may be larger."""
    bus_message: int = 4 * MIB
    """What is larger on the bus is not read; what would become so is not sent."""
    newest_bytes: int = 64 * MIB
    """Of the newest entries per key that a channel keeps (S6), with their keys; what is beyond leaves by and by."""
    heal_rate: float = 10.0
    """Reads per second that fill holes; each covers the channels that wait for one."""
    tick: float = 1.0
    """Between two canaries, and two comparisons of heads (N9)."""
    canary_wait: float = 3.0
    """Without a canary for so long the subscription is opened anew (N9)."""
    proof_wait: float = 2.0
    """For so long the other nodes may say where they stand (N5)."""
    slack: float = 600.0
    """How much longer than its retention a channel of a namespace stays in Redis when nobody touches it."""
    info_in_scripts: bool = True
    """Whether scripts may ask for INFO; else the replication id is that of the command connection (N6)."""

    @classmethod
    def of(cls, options: StoreOptions) -> Self:
        """The same, with the defaults of what `options` does not name."""
        return cls(**{one.name: getattr(options, one.name) for one in fields(cls) if hasattr(options, one.name)})
