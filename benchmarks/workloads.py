"""The workloads: what the load generator is told, and the figure each is about."""

from __future__ import annotations

from dataclasses import dataclass, field

Arguments = tuple[str, ...]

FAN_OUT: Arguments = ("--subscribers", "1000", "--rate", "50", "--payload", "128")


@dataclass(frozen=True)
class Figure:
    """One field of the generator's result."""

    field: str
    title: str
    digits: int
    is_more_better: bool = False


CPU = Figure("cpu_s_per_million", "CPU-s per million deliveries", 2)
TAKEN = Figure("msgs_per_cpu_s", "messages per CPU-s", 0, is_more_better=True)
MEMORY = Figure("bytes_per_conn", "bytes of RSS per connection", 0)
CAPACITY = Figure("deliveries_per_s", "deliveries per second", 0, is_more_better=True)
LATENCY = Figure("p99_ms", "p99 ms", 1)


@dataclass(frozen=True)
class Workload:
    """What the generator is told, and what the row means."""

    title: str
    arguments: Arguments
    figure: Figure = CPU
    duration: float = 10.0
    told: dict[str, Arguments] = field(default_factory=dict)
    """What the generator is told for servers by name, where it is another thing."""
    channel: str = "metrics"
    servers: tuple[str, ...] | None = None
    """The only servers that it is about; none: all."""
    also: tuple[str, ...] = ()
    """Servers beside all."""
    unit: str = "floor"
    """The server whose figure is 1.00."""
    rates: tuple[int, ...] = ()
    """Events per second that are tried one after the other, as long as all arrive in time."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the servers are told beside their own."""


WORKLOADS = {
    "W1": Workload("1,000 subscribers of one channel, 50 events/s of 128 B", FAN_OUT),
    "MAX": Workload(
        "W1's shape at the highest rate with p99 < 100 ms and nothing lost",
        ("--subscribers", "1000", "--payload", "128"),
        figure=CAPACITY,
        duration=4.0,
        rates=(50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 8000, 10000),
    ),
    "W2": Workload(
        "1,000 subscribers over 100 channels, 2,000 events/s of 128 B in all",
        ("--subscribers", "1000", "--channels", "100", "--rate", "2000", "--payload", "128"),
        duration=5.0,
        channel="bench-",
        also=("hub_asking",),
    ),
    "W3": Workload(
        "100 subscribers of one channel, 2,000 events/s of 128 B",
        ("--subscribers", "100", "--rate", "2000", "--payload", "128"),
        duration=5.0,
    ),
    "W4": Workload(
        "10,000 idle connections, each with a subscription",
        ("--subscribers", "10000", "--settle", "3", "--timeout", "400"),
        figure=MEMORY,
        duration=0.0,
    ),
    "W5": Workload(
        "50 publishers in band, 3,200 publishes of 128 B under way, 1 subscriber; to the hub each with an id, answered",
        ("--publishers", "50", "--window", "3200", "--subscribers", "1", "--payload", "128"),
        figure=TAKEN,
        duration=5.0,
        also=("hub_asking",),
    ),
    "W6": Workload(
        "W1 with 1 KiB of compressible JSON, permessage-deflate negotiated by all; the floor as in W1",
        ("--subscribers", "1000", "--rate", "50", "--payload", "1024", "--pad", "json", "--deflate"),
        duration=5.0,
        told={"floor": FAN_OUT},
        environment={"NG_PEER_DEFLATE": "1", "CENTRIFUGO_WEBSOCKET_COMPRESSION": "true"},
    ),
    "W8": Workload(
        "W1 while one subscriber never reads and ten read at 1 kB/s; the hub's own W1 is 1.00",
        (*FAN_OUT, "--never", "1", "--slow", "10", "--slow-rate", "1000"),
        figure=LATENCY,
        servers=("hub", "hub_undisturbed"),
        told={"hub_undisturbed": FAN_OUT},
        unit="hub_undisturbed",
    ),
    "W9": Workload(
        "W1 on the second of two nodes behind Redis, published at the first; the hub alone is 1.00",
        FAN_OUT,
        servers=("hub", "hub_nodes"),
        unit="hub",
    ),
}
