"""The topology of docker-compose.yml as processes of this machine: the same files, the same settings, other ports.

Two hubs in production mode with the environment that the compose file gives them, a Redis with deploy/redis (its start
script, its configuration, its ACL), and a balancer: nginx with deploy/nginx where nginx is installed, else one of ours.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
from ng_ws.verify.owned_process import free_port

from tests.support import strict_yaml
from tests.support.balancer import Balancer

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DEPLOY = ROOT / "deploy"
HUBS = ("hub-1", "hub-2")
PATIENCE = 30.0
NGINX = os.environ.get("NGINX_BINARY") or shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

_VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}` and `${NAME:?why}`, as compose does it."""

    def value(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        if variables.get(name):
            return variables[name]
        if how == ":-":
            return str(rest)
        raise KeyError(f"{name}: {rest or 'not set'}")

    return _VARIABLE.sub(value, text)


def read_env(path: Path) -> dict[str, str]:
    """An `.env` file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def service(name: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """One service of the compose file, its environment with the variables put in."""
    found: dict[str, Any] = strict_yaml.load(COMPOSE)["services"][name]
    environment = found.get("environment", {})
    return {**found, "environment": {key: substituted(str(text), variables) for key, text in environment.items()}}


def until(is_so: Callable[[], bool], what: str, said: Path | None = None, longest: float = PATIENCE) -> None:
    """Ask a process that tells nothing by itself."""
    end = time.monotonic() + longest
    while not is_so():
        if time.monotonic() > end:
            words = said.read_text(errors="replace")[-2_000:] if said is not None and said.exists() else ""
            raise TimeoutError(f"{what} was never so, within {longest:g} s: {words}")
        time.sleep(0.05)


def status_of(url: str, token: str | None = None) -> int:
    """HTTP status of GET; 0 where nobody answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(url, headers=headers), timeout=2
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


class Process:
    """A child of ours, what it said in a file."""

    def __init__(self, name: str, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """-> its exit code"""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(PATIENCE)


class Deployment:
    """with Deployment(tmp_path) as deployment: clients reach `deployment.url("hub-1")`, or `deployment.balanced`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("secrets"))
        subprocess.run([folder / "deploy" / "prepare.sh"], check=True, capture_output=True, timeout=30)
        self.variables = read_env(folder / ".env")
        self.redis_port = free_port()
        self.ports = {name: free_port() for name in HUBS}
        self._redis: Process | None = None
        self._hubs: dict[str, Process] = {}
        self._balancer = Balancer.chosen(NGINX, folder, [self.ports[name] for name in HUBS])

    # -- where ---------------------------------------------------------------------------------------------------------

    def url(self, name: str) -> str:
        """The WebSocket of one hub."""
        return f"ws://127.0.0.1:{self.ports[name]}/ws"

    def http(self, name: str) -> str:
        """The REST interface of one hub."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def balanced(self) -> str:
        """The WebSocket behind the balancer."""
        return f"ws://127.0.0.1:{self._balancer.port}/ws"

    @property
    def prometheus_key(self) -> str:
        """What Prometheus reads /metrics by."""
        return (self.folder / "deploy" / "secrets" / "prometheus.key").read_text(encoding="utf-8")

    def token(self, role: str, subject: str = "ann") -> str:
        """As the identity provider would sign it."""
        environment = service("hub-1", self.variables)["environment"]
        names = {"iss": environment["NG_JWT_ISSUER"], "aud": environment["NG_JWT_AUDIENCE"]}
        claims = {"sub": subject, "role": role, "iat": time.time(), "exp": time.time() + 600, **names}
        return jwt.encode(claims, environment["NG_JWT_SECRET"], algorithm="HS256")

    # -- processes -----------------------------------------------------------------------------------------------------

    def start_redis(self) -> None:
        """As the container does: start.sh, which puts the hash of the password into the ACL."""
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        binary = os.environ.get("REDIS_SERVER")
        path = f"{Path(binary).parent}:{os.environ['PATH']}" if binary else os.environ["PATH"]
        environment = {**service("redis", self.variables)["environment"], "PATH": path}
        environment["NG_ACL_FILE"] = str(self.folder / "users.acl")
        own = ["--port", str(self.redis_port), "--bind", "127.0.0.1", "--dir", str(data)]
        script = str(self.folder / "deploy" / "redis" / "start.sh")
        self._redis = Process("redis", ["/bin/sh", script, *own], self.folder, environment)
        until(self._redis_answers, "a Redis that answers", self._redis.log)

    def kill_redis(self) -> None:
        """kill -9."""
        assert self._redis is not None
        self._redis.end()

    def start_hub(self, name: str) -> None:
        """With the environment of the compose file; addresses are those of this machine."""
        environment = service(name, self.variables)["environment"]
        environment["NG_REDIS_URL"] = environment["NG_REDIS_URL"].replace(
            "@redis:6379", f"@127.0.0.1:{self.redis_port}"
        )
        environment |= {
            "NG_HOST": "127.0.0.1",
            "NG_PORT": str(self.ports[name]),
            "NG_CONFIG": str(self.folder / "deploy" / "secrets" / "hub.toml"),
            "NG_PROXIES": "127.0.0.1/32",
            "NG_MAX_CONNECTIONS": "400",
            "PYTHONPATH": str(ROOT),
            "PATH": os.environ["PATH"],
        }
        hub = self._hubs[name] = Process(name, [sys.executable, "-m", "hub"], self.folder, environment)
        ready = f"{self.http(name)}/health/ready"
        until(lambda: hub.has_ended or status_of(ready) == 200, f"a {name} that is ready", hub.log)
        if hub.has_ended:
            raise RuntimeError(f"{name} ended: {hub.log.read_text(errors='replace')[-2_000:]}")

    def kill_hub(self, name: str) -> None:
        """kill -9."""
        self._hubs[name].end()

    def _redis_answers(self) -> bool:
        assert self._redis is not None
        if self._redis.has_ended:
            raise RuntimeError(self._redis.log.read_text(errors="replace")[-2_000:])
        ping = ["redis-cli", "-p", str(self.redis_port), "ping"]
        return subprocess.run(ping, capture_output=True, check=False, timeout=5).stdout == b"PONG\n"

    def __enter__(self) -> Self:
        try:
            self.start_redis()
            for name in HUBS:
                self.start_hub(name)
            self._balancer.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._balancer.stop()
        for process in (*self._hubs.values(), self._redis):
            if process is not None:
                process.end()
