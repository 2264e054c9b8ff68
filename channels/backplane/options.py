"""What a backplane over Redis is told (hardening.md section 1): times in seconds, sizes in bytes."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Names and defaults are those of the settings, without `redis_`."""

    url: str = field(repr=False)
    """May hold a password."""
    node: str
    prefix: str = "ng"
    connect: float = 1.0
    command: float = 2.0
    pool: int = 16
    outbox: int = 10_000
    outbox_wait: float = 5.0
    bus_message: int = 4_194_304
    heal_rate: float = 10.0
