"""docker-compose.yml, held to what the documents promise, without Docker."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.config import Settings
from tests.support import strict_yaml
from tests.support.deployment import COMPOSE, DEPLOY, HUBS, ROOT, service, substituted

VARIABLES = {"NG_JWT_SECRET": "b3f0cA91d7e24c58XqLmZt6RwYvKs0PjTTuK2Qk1", "NG_REDIS_PASSWORD": "not-a-real-one"}
DOCUMENT: dict[str, Any] = strict_yaml.load(COMPOSE)
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]

# service -> (its profile, ports of this machine -> of the container)
EXPECTED: dict[str, tuple[str | None, dict[int, int]]] = {
    "hub-1": (None, {8000: 8000}),
    "hub-2": (None, {8080: 8000}),
    "redis": (None, {}),
    "nginx": ("scale", {8088: 8088}),
    "prometheus": ("monitoring", {9090: 9090}),
    "grafana": ("monitoring", {3000: 3000}),
}
KNOWN_KEYS = {
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "deploy",
    "entrypoint",
    "environment",
    "extra_hosts",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "logging",
    "networks",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "security_opt",
    "stop_grace_period",
    "tmpfs",
    "ulimits",
    "user",
    "volumes",
}


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)(s|m|h)", text)
    assert found is not None, text
    return int(found[1]) * {"s": 1, "m": 60, "h": 3_600}[found[2]]


@pytest.mark.accept("O1", "O2", "O3")
def test_the_services_and_their_ports_are_those_that_the_documents_name() -> None:
    found: dict[str, tuple[str | None, dict[int, int]]] = {}
    for name, one in SERVICES.items():
        ports = [substituted(text, {}).split(":") for text in one.get("ports", [])]
        # Loopback, unless somebody says otherwise: none of them speaks TLS.
        assert all(address == "127.0.0.1" for address, _, _ in ports)
        profiles = one.get("profiles", [None])
        assert len(profiles) == 1
        found[name] = profiles[0], {int(here): int(there) for _, here, there in ports}
    assert found == EXPECTED


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_nothing_that_compose_does_not_know(name: str) -> None:
    assert set(SERVICES[name]) <= KNOWN_KEYS
    assert {key for key in DOCUMENT if not key.startswith("x-")} == {"name", "services", "networks", "volumes"}


@pytest.mark.accept("O4")
@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_as_little_as_it_needs(name: str) -> None:
    one = SERVICES[name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    user, group = one["user"].split(":")
    assert int(user) > 0
    assert int(group) >= 0
    assert set(one["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert one["restart"] == "unless-stopped"
    assert one["logging"]["options"]["max-size"] == "10m"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert seconds(check["timeout"]) < seconds(check["interval"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(HUBS)))
def test_an_image_of_others_is_pinned_to_an_exact_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-alpine)?", SERVICES[name]["image"]) is not None


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there_and_is_read_only(name: str) -> None:
    for text in SERVICES[name].get("volumes", []):
        source, _, rest = text.partition(":")
        if not source.startswith("./"):
            assert source in DOCUMENT["volumes"]
            continue
        assert rest.endswith(":ro")
        if not source.startswith("./deploy/secrets/"):
            assert (ROOT / source).exists()


@pytest.mark.parametrize("name", HUBS)
def test_the_hubs_start_with_these_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable is a setting, and all together are taken."""
    environment = service(name, VARIABLES)["environment"]
    known = {f"NG_{field.upper()}" for field in Settings.model_fields}
    assert set(environment) <= known
    for variable in list(os.environ):
        if variable.startswith("NG_"):
            monkeypatch.delenv(variable)
    for variable, value in environment.items():
        # The file is mounted there; Redis is held to its own test.
        if variable not in {"NG_CONFIG", "NG_REDIS_URL"}:
            monkeypatch.setenv(variable, value)
    settings = Settings()
    assert (settings.mode, settings.port, settings.node) == ("production", 8000, name)
    grace = seconds(SERVICES[name]["stop_grace_period"])
    assert grace >= settings.announce_seconds + settings.drain_deadline + 10


def test_the_hubs_differ_in_nothing_but_their_name_address_and_port() -> None:
    one, other = (dict(SERVICES[name]) for name in HUBS)
    for different in ("hostname", "ports", "environment", "networks"):
        assert one.pop(different) != other.pop(different)
    assert one == other
    first, second = ({**SERVICES[name]["environment"], "NG_NODE": ""} for name in HUBS)
    assert first == second


@pytest.mark.accept("P7")
def test_the_hubs_believe_the_balancer_and_nobody_else() -> None:
    address = SERVICES["nginx"]["networks"]["hub"]["ipv4_address"]
    assert DOCUMENT["x-hub-environment"]["NG_PROXIES"] == f"{address}/32"
    hosts = dict(text.split(":") for text in SERVICES["nginx"]["extra_hosts"])
    assert hosts == {name: SERVICES[name]["networks"]["hub"]["ipv4_address"] for name in HUBS}


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_is_in_the_environment_and_has_no_default(name: str) -> None:
    text = "\n".join(str(value) for value in SERVICES[name].get("environment", {}).values())
    for variable in ("NG_JWT_SECRET", "NG_REDIS_PASSWORD"):
        assert f"${{{variable}:-" not in text
    arguments = [*SERVICES[name].get("command", []), *SERVICES[name].get("entrypoint", [])]
    assert not any("PASSWORD" in word or "SECRET" in word for word in arguments)


def test_redis_is_there_before_the_hubs_and_reached_by_nobody_else() -> None:
    for name in HUBS:
        assert SERVICES[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert "ports" not in SERVICES["redis"]
    assert SERVICES["redis"]["networks"] == ["hub"]


def test_a_secret_that_is_missing_is_named_with_what_to_do() -> None:
    with pytest.raises(KeyError, match=r"run deploy/prepare\.sh first"):
        service("hub-1", {})


def _compose() -> list[str] | None:
    """Docker's own reading, where it is there."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        if subprocess.run([*command, "version"], capture_output=True, check=False, timeout=20).returncode == 0:
            return command
    return None


def test_docker_compose_reads_it_too(tmp_path: Path) -> None:
    command = _compose()
    if command is None:
        pytest.skip("docker compose is not installed: apt-get install docker-compose")
    shutil.copy(COMPOSE, tmp_path)
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    lines = [f"{name}={value}\n" for name, value in VARIABLES.items()]
    (tmp_path / ".env").write_text("".join(lines), encoding="utf-8")
    profiles = ["--profile", "scale", "--profile", "monitoring"]
    done = subprocess.run(
        [*command, *profiles, "config", "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
