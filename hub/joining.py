"""What joins this node to others, by its settings: the backplane and the bus."""

from importlib import import_module
from typing import NamedTuple

from channels.backplane import Backplane
from channels.backplane.alone import AloneBus
from channels.backplane.bus import Bus
from channels.backplane.fallback import Common, LocalWhenAway
from channels.backplane.memory import MemoryBackplane
from channels.backplane.options import StoreOptions
from channels.errors import ConfigError
from hub.config import Settings


class Joined(NamedTuple):
    """`backplane` None: the node is alone, and its own logs are the store."""

    backplane: Backplane | None
    bus: Bus


def join(settings: Settings) -> Joined:
    """Nothing is contacted here: a store that is away is told by `Backplane.failure`."""
    if settings.redis_url is None:
        return Joined(None, AloneBus(settings.node))
    try:
        redis = import_module("channels.backplane.redis")
    except ModuleNotFoundError as error:
        raise ConfigError(f"NG_REDIS_URL: expected the package redis to be installed: {error}") from error
    backplane, bus = redis.join(store_options(settings))
    return Joined(chosen(settings, backplane), bus)


def chosen(settings: Settings, backplane: Common) -> Backplane:
    """`backplane` as the settings want it: with or without going on alone while it is away."""
    if settings.redis_absent == "refuse":
        return backplane
    return LocalWhenAway(backplane, MemoryBackplane(), patience=settings.outbox_wait)


def store_options(settings: Settings) -> StoreOptions:
    """The settings of the store under their short names."""
    return StoreOptions(
        url="" if settings.redis_url is None else settings.redis_url.get_secret_value(),
        node=settings.node,
        prefix=settings.redis_prefix,
        connect=settings.redis_connect,
        command=settings.redis_command,
        pool=settings.redis_pool,
        outbox=settings.outbox,
        outbox_wait=settings.outbox_wait,
        bus_message=settings.bus_message,
        heal_rate=settings.heal_rate,
    )
