"""The servers that are measured: how each is started, and how the generator reaches it.

The floor, the hub and two Python peers are always there; the others when `peers/install.sh` could install them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"
PEERS = HERE / "peers"
INSTALLED = BUILD / "peers"
SECRET = "benchmark-secret-of-at-least-32-bytes"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0

CHANNELS = """
[channels.metrics]
subscribe = ["anonymous", "admin", "bot"]
broadcast = ["admin", "bot"]

[channels."bench-*"]
subscribe = ["anonymous", "admin", "bot"]
broadcast = ["admin", "bot"]
"""


NATS = """
host: 127.0.0.1
port: -1
websocket {{ host: 127.0.0.1, port: {port}, no_tls: true, compression: true }}
"""


@dataclass(frozen=True)
class Server:
    """How a server is started on a port, and how the generator reaches it."""

    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    query: str = ""
    path: str = "/ws"
    protocol: str = "ng"
    takes: str = ""
    """The generator's protocol where messages taken are counted; none: the same."""
    needs: Path | None = None
    """What has to be installed; none: nothing."""
    has_nodes: bool = False
    """Two nodes behind a Redis of their own: published at the first, measured at the second."""


@dataclass(frozen=True)
class Running:
    """A started server."""

    port: int
    publish_port: int
    pid: int


def hub_server(role: str = "admin") -> Server:
    """The hub as it ships, with one user of `role`, whose publish rate does not stand in the way of a measurement."""
    sys.path.insert(0, str(HERE.parent))
    import jwt  # noqa: PLC0415 - only this server needs it

    BUILD.mkdir(exist_ok=True)
    (BUILD / "channels.toml").write_text(CHANNELS)
    token = jwt.encode({"sub": "bench", "role": role, "exp": int(time.time()) + 86_400}, SECRET, algorithm="HS256")
    limits = {
        "NG_CONFIG": str(BUILD / "channels.toml"),
        "NG_RATE_PUBLISH": "1000000/1000000",
        "NG_MESSAGE_RATE": "1000000/1000000",
        "NG_HANDSHAKE_RATE": "100000/100000",
        "NG_MAX_CONNECTIONS": "19000",
        "NG_MAX_CONNECTIONS_PER_ADDRESS": "100000",
        "NG_JWT_SECRET": SECRET,
    }
    command = (sys.executable, "-m", "hub", "serve")
    return Server(command, limits, query=f"?token={token}", takes="ng-acked")


def servers() -> dict[str, Server]:
    """Every server there is a way to start, in the order of the table."""
    hub, python, node = hub_server("bot"), sys.executable, shutil.which("node") or "node"
    modules, binaries = INSTALLED / "node_modules", INSTALLED / "bin"
    return {
        "floor": Server((str(BUILD / "floor"), "{port}")),
        "floor_uring": Server((str(BUILD / "floor_uring"), "{port}")),
        "hub": hub,
        "hub_one_by_one": replace(hub, environment=hub.environment | {"NG_RING_FROM": "0"}),
        "hub_asking": replace(hub, environment=hub.environment | {"NG_DIRECT_PUBLISHES": "0"}),
        "hub_undisturbed": hub,
        "hub_nodes": replace(hub, has_nodes=True),
        "bun": Server(
            (str(modules / "bun" / "bin" / "bun.exe"), str(PEERS / "bun_publish.mjs"), "{port}"),
            needs=modules / "bun" / "bin" / "bun.exe",
        ),
        "picows": Server(
            (python, str(PEERS / "picows_send.py"), "{port}"),
            {"PYTHONPATH": str(INSTALLED / "python")},
            needs=INSTALLED / "python" / "picows",
        ),
        "node_ws": Server((node, str(INSTALLED / "ws_send.mjs"), "{port}"), needs=modules / "ws"),
        "socketio": Server(
            (node, str(INSTALLED / "socketio_rooms.mjs"), "{port}"),
            query="?EIO=4&transport=websocket",
            path="/socket.io/",
            protocol="socketio",
            needs=modules / "socket.io",
        ),
        "centrifugo": Server(
            (str(binaries / "centrifugo"),),
            {
                "CENTRIFUGO_HTTP_SERVER_ADDRESS": "127.0.0.1",
                "CENTRIFUGO_HTTP_SERVER_PORT": "{port}",
                "CENTRIFUGO_CLIENT_INSECURE": "true",
                "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "*",
                "CENTRIFUGO_LOG_LEVEL": "error",
            },
            path="/connection/websocket",
            protocol="centrifugo-json",
            needs=binaries / "centrifugo",
        ),
        "nats": Server(
            (str(binaries / "nats-server"), "-c", "{folder}/nats.conf"),
            path="/",
            protocol="nats",
            needs=binaries / "nats-server",
        ),
        "websockets_broadcast": Server((python, str(PEERS / "websockets_broadcast.py"), "{port}")),
        "starlette_send_text": Server((python, str(PEERS / "starlette_send_text.py"), "{port}")),
    }


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(server: Server, core: int, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    """The server on a free port, pinned to a core."""
    if server.has_nodes:
        with nodes(server, core, environment or {}) as pair:
            yield pair
        return
    port = free_port()
    with process(server, core, port, environment or {}) as pid:
        yield Running(port, port, pid)


@contextlib.contextmanager
def process(server: Server, core: int, port: int, environment: Mapping[str, str]) -> Iterator[int]:
    """One process, which accepts on `port`; ended by its id afterwards. Yields the id."""
    with tempfile.TemporaryDirectory() as folder:
        names = {"port": str(port), "folder": folder}
        (Path(folder) / "nats.conf").write_text(NATS.format(port=port))
        own = {key: value.format(**names) for key, value in server.environment.items()}
        command = ["taskset", "-c", str(core), *(part.format(**names) for part in server.command)]
        with (
            (BUILD / "server.log").open("wb") as log,
            subprocess.Popen(
                command,
                env=os.environ | {"NG_PORT": str(port)} | own | environment,
                cwd=HERE.parent,
                stdout=log,
                stderr=log,
            ) as started,
        ):
            try:
                wait_for_port(port, started)
                yield started.pid
            finally:
                end(started)


def end(started: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and end it if it does not."""
    started.terminate()
    try:
        started.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        started.kill()


@contextlib.contextmanager
def redis(binary: str = "redis-server", core: int | None = None) -> Iterator[tuple[int, int]]:
    """A Redis of its own, without persistence; yields (port, process id)."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        with subprocess.Popen([*pinned, *command], stdout=subprocess.DEVNULL) as started:
            try:
                wait_for_port(port, started)
                yield port, started.pid
            finally:
                end(started)


@contextlib.contextmanager
def nodes(server: Server, core: int, environment: Mapping[str, str]) -> Iterator[Running]:
    """Two nodes behind a Redis; the second alone has the core, the others share what is left with the generator."""
    elsewhere = max(os.sched_getaffinity(0) - {core}, default=core)
    first, second = free_port(), free_port()
    with redis(core=elsewhere) as (redis_port, _):
        shared = dict(environment) | {"NG_REDIS_URL": f"redis://127.0.0.1:{redis_port}"}
        with (
            process(server, elsewhere, first, shared | {"NG_NODE": "a"}),
            process(server, core, second, shared | {"NG_NODE": "b"}) as pid,
        ):
            yield Running(second, first, pid)


def wait_for_port(port: int, started: subprocess.Popen[bytes]) -> None:
    """Return when the server accepts; raise when it ended or took longer than the start time-out."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if started.poll() is not None:
            raise SystemExit(
                f"{started.args!r} ended with {started.returncode} before it listened; see {BUILD / 'server.log'}"
            )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise SystemExit(f"{started.args!r} did not listen within {START_TIMEOUT:.0f} s")
