"""What a node checks of its Redis when it connects (hardening.md 5.7): what it cannot work with, what it warns of."""

import logging

from channels.backplane.redis.errors import StoreError
from channels.backplane.redis.figures import Reported
from channels.backplane.redis.store import Store

logger = logging.getLogger(__name__)

LEAST_VERSION = (7, 0)


async def inspect(store: Store) -> dict[str, Reported]:
    """What an operator should know of the server; raises `StoreError`. `unfit` says why it cannot be used."""
    key = store.keys.nodes
    info: dict[str, str] = {}
    for section in ("server", "memory", "persistence", "replication"):
        raw = await store.call("info", key, "INFO", section)
        info |= dict(line.split(":", 1) for line in raw.decode().splitlines() if ":" in line)
    version = info.get("redis_version", "")
    report: dict[str, Reported] = {
        "version": version,
        "maxmemory_policy": info.get("maxmemory_policy", ""),
        "appendonly": info.get("aof_enabled") == "1",
        "last_save_ok": info.get("rdb_last_bgsave_status", "ok") == "ok",
        "replicas": int(info.get("connected_slaves", "0")),
        "min_replicas_to_write": await _setting(store, "min-replicas-to-write"),
    }
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < LEAST_VERSION:
        report["unfit"] = f"expected Redis 7.0 or newer, came {version}"
    if report["maxmemory_policy"] not in ("noeviction", ""):
        logger.warning(
            "Redis may evict what is acknowledged: expected maxmemory-policy noeviction, came %s",
            report["maxmemory_policy"],
        )
    if not report["appendonly"] and not report["replicas"]:
        logger.warning("Redis keeps neither an append-only file nor a replica: what it holds ends with its process")
    return report


async def _setting(store: Store, name: str) -> str | None:
    """A setting of the server; None where a user may not ask for it."""
    try:
        found = await store.call("config", store.keys.nodes, "CONFIG", "GET", name)
    except StoreError:
        return None
    return found[1].decode() if found else None
