"""How late the event loop is: a timer that compares when it ran with when it should have."""

import asyncio
from collections import deque
from dataclasses import dataclass

from channels.histograms import Histogram

INTERVAL = 0.1
KEPT = 600
"""One minute of samples."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds late: median, 99th percentile and worst of the last minute."""

    p50: float
    p99: float
    worst: float


class LoopLag:
    """Samples the loop it is started on."""

    def __init__(self) -> None:
        self.histogram = Histogram(BUCKETS)
        self.last_beat = 0.0
        """Loop time of the last sample: liveness asks for it."""
        self._samples: deque[float] = deque(maxlen=KEPT)
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to sample."""
        loop = asyncio.get_running_loop()
        self.last_beat = loop.time()
        self._handle = loop.call_later(INTERVAL, self._beat, loop.time() + INTERVAL)

    def stop(self) -> None:
        """Sample no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def record(self, late: float) -> None:
        """One sample, in seconds."""
        late = max(0.0, late)
        self._samples.append(late)
        self.histogram.observe(late)

    def figures(self) -> Lag:
        """Of the last minute."""
        ordered = sorted(self._samples) or [0.0]
        return Lag(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], ordered[-1])

    def _beat(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        self.last_beat = loop.time()
        self.record(self.last_beat - due)
        self._handle = loop.call_later(INTERVAL, self._beat, self.last_beat + INTERVAL)
