"""deploy/prepare.sh: secrets, made once."""

import shutil
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from channels.permissions import Role
from hub.auth.api_keys import read_api_keys
from hub.config import Settings
from tests.support.deployment import DEPLOY, read_env


def prepare(folder: Path) -> str:
    done = subprocess.run([folder / "deploy" / "prepare.sh"], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == ""
    return done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    return tmp_path


def test_secrets_are_made_once_and_are_never_the_same_twice(folder: Path, tmp_path: Path) -> None:
    assert "made .env" in prepare(folder)
    first = read_env(folder / ".env")
    assert "kept .env" in prepare(folder)
    assert read_env(folder / ".env") == first
    assert len(first["NG_JWT_SECRET"]) == 64
    (folder / ".env").unlink()
    prepare(folder)
    assert read_env(folder / ".env") != first


def test_they_are_not_for_everybodys_eyes(folder: Path) -> None:
    prepare(folder)
    assert (folder / ".env").stat().st_mode & 0o077 == 0


def test_the_secret_is_one_that_production_takes(folder: Path) -> None:
    prepare(folder)
    secret = read_env(folder / ".env")["NG_JWT_SECRET"]
    settings = Settings(mode="production", jwt_secret=secret, jwt_issuer="i", jwt_audience="a", dev_file=None)  # type: ignore[arg-type]
    assert settings.is_production


def test_the_key_of_prometheus_is_the_one_that_the_hubs_know(folder: Path) -> None:
    prepare(folder)
    secrets = folder / "deploy" / "secrets"
    tables = tomllib.loads((secrets / "hub.toml").read_text(encoding="utf-8"))["api_keys"]
    identity = read_api_keys(tables).authenticate((secrets / "prometheus.key").read_text(), time.time())
    assert (identity.role, identity.subject) == (Role.ADMIN, "prometheus")
