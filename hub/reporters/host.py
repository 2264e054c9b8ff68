"""Figures of this host and this process, by psutil."""

import time
from collections.abc import Callable
from typing import Any

import psutil  # type: ignore[import-untyped]

MIB = 1_048_576


class HostSampler:
    """CPU, memory and network since the last sample."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._process = psutil.Process()
        self._network = self._network_bytes()
        self._at = monotonic()
        # The first call of each only sets its starting point.
        psutil.cpu_percent(None)
        self._process.cpu_percent(None)

    def sample(self) -> dict[str, Any]:
        """CPU, memory in percent and network of the host; memory_mb and process_cpu_percent of the hub."""
        now = self._monotonic()
        network, elapsed = self._network_bytes(), max(now - self._at, 1e-3)
        received, sent = ((new - old) / elapsed for new, old in zip(network, self._network, strict=True))
        self._network, self._at = network, now
        return {
            "cpu_percent": psutil.cpu_percent(None),
            "memory_percent": psutil.virtual_memory().percent,
            "process_cpu_percent": self._process.cpu_percent(None),
            "memory_mb": round(self._process.memory_info().rss / MIB, 2),
            "network_received_bytes_per_s": round(received, 1),
            "network_sent_bytes_per_s": round(sent, 1),
        }

    def descriptors(self) -> int:
        """Open file descriptors of the process."""
        return int(self._process.num_fds())

    @staticmethod
    def _network_bytes() -> tuple[int, int]:
        counters = psutil.net_io_counters()
        return (counters.bytes_recv, counters.bytes_sent) if counters else (0, 0)
