"""deploy/redis: what the server is set to, and what the hubs' user may do; on a real redis-server."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ng_ws.verify.owned_process import free_port

from tests.support.deployment import DEPLOY, Process, until
from tests.support.redis_kit import BINARY, needs_redis

PASSWORD = "correct horse/battery&staple"

pytestmark = needs_redis


class Cli:
    """redis-cli as one user."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, *words: str, user: str | None = "ng") -> str:
        login = ["--user", user, "--pass", PASSWORD, "--no-auth-warning"] if user else []
        command = ["redis-cli", "-p", str(self.port), *login, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout.strip()


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """A server started as its container starts it."""
    port = free_port()
    path = f"{Path(BINARY).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "NG_REDIS_PASSWORD": PASSWORD, "NG_ACL_FILE": str(tmp_path / "users.acl")}
    own = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    redis = Process("redis", ["/bin/sh", str(DEPLOY / "redis" / "start.sh"), *own], tmp_path, environment)
    cli = Cli(port)
    try:
        until(lambda: redis.has_ended or cli("PING", user=None) == "PONG", "a Redis that answers", redis.log)
        assert not redis.has_ended, redis.log.read_text(encoding="utf-8")
        yield cli
    finally:
        redis.end()


def test_the_password_is_known_by_its_hash_and_stands_nowhere(cli: Cli, tmp_path: Path) -> None:
    assert cli("PING") == "PONG"
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes()
    assert (tmp_path / "users.acl").stat().st_mode & 0o077 == 0


def test_nobody_in_particular_may_ask_whether_it_is_there_and_nothing_else(cli: Cli) -> None:
    assert cli("PING", user=None) == "PONG"
    for words in (("GET", "ng:x"), ("INFO",), ("PUBLISH", "ng:ctl", "x"), ("ACL", "LIST"), ("FLUSHALL",)):
        assert "NOPERM" in cli(*words, user=None)


def test_the_hubs_may_work_on_their_keys_and_channels(cli: Cli) -> None:
    assert cli("SET", "ng:{a}:mid:x", "1", "PX", "1000") == "OK"
    assert cli("XADD", "ng:{a}:log", "1-0", "a", "b") == "1-0"
    assert cli("HSET", "ng:{a}:meta", "epoch", "aaaa") == "1"
    assert cli("PUBLISH", "ng:{a}:live", "x") == "0"
    assert "role:master" in cli("INFO", "replication")
    sha = cli("SCRIPT", "LOAD", "#!lua\nredis.call('UNLINK', KEYS[1])\nreturn redis.call('INFO', 'replication')")
    assert "master_replid:" in cli("EVALSHA", sha, "1", "ng:{a}:meta")


@pytest.mark.parametrize(
    "words",
    [
        ("GET", "other"),
        ("SET", "sessions:1", "x"),
        ("PUBLISH", "other", "x"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("KEYS", "*"),
        ("EVAL", "return 1", "0"),
        ("DEBUG", "SLEEP", "0"),
        ("SHUTDOWN",),
        ("REPLICAOF", "NO", "ONE"),
        ("ACL", "LIST"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("MONITOR",),
        ("SAVE",),
        ("MODULE", "LIST"),
    ],
)
def test_the_hubs_may_do_nothing_else(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words)
    # DEBUG is off for everybody.
    assert "NOPERM" in said or "DEBUG command not allowed" in said


def test_nothing_is_evicted_and_writes_are_kept(cli: Cli) -> None:
    facts = dict(line.split(":", 1) for line in cli("INFO").splitlines() if ":" in line)
    assert facts["maxmemory_policy"] == "noeviction"
    assert int(facts["maxmemory"]) == 512 << 20
    assert facts["aof_enabled"] == "1"
