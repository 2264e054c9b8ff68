"""`scripts/redis.sh`: what it does with and without redis-server, with a stand-in for apt."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "redis.sh"
TOOLS = ("bash", "env", "sed", "id", "timeout", "rm", "chmod", "sh", "cp", "cat")

# What apt would put there; it also keeps whether services were forbidden while it ran.
APT = """#!/bin/sh
test -e "$POLICY_RC_D" && cp "$POLICY_RC_D" "$HERE/policy-seen"
echo "$@" >>"$HERE/apt.log"
case "$*" in *install*) test -e "$HERE/package" && cp "$HERE/package" "$HERE/bin/redis-server" || exit 100;; esac
"""


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def version(number: str) -> str:
    return f"#!/bin/sh\necho 'Redis server v={number} sha=0:0 malloc=libc bits=64'\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A machine with a few tools, a root who may install, and no redis-server."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = next(Path(folder) / tool for folder in ("/bin", "/usr/bin") if (Path(folder) / tool).exists())
        (tmp_path / "bin" / tool).symlink_to(found)
    (tmp_path / "bin" / "id").unlink()
    program(tmp_path / "bin" / "id", "#!/bin/sh\necho 0\n")
    program(tmp_path / "bin" / "apt-get", APT)
    return tmp_path


def run(here: Path, **variables: str) -> str:
    """-> what it said; it never fails"""
    environment = {"PATH": str(here / "bin"), "HERE": str(here), "POLICY_RC_D": str(here / "policy"), **variables}
    done = subprocess.run(
        [SCRIPT], env=environment, capture_output=True, text=True, timeout=30, check=True, stdin=subprocess.DEVNULL
    )
    assert done.stdout == ""
    return done.stderr


def test_one_that_is_there_and_new_enough_is_taken_in_silence(here: Path) -> None:
    program(here / "bin" / "redis-server", version("7.0.15"))
    assert run(here) == ""
    assert not (here / "apt.log").exists()


@pytest.mark.parametrize("before", [None, "6.2.1"])
def test_root_gets_it_by_apt_and_no_service_is_started(here: Path, before: str | None) -> None:
    if before is not None:
        program(here / "bin" / "redis-server", version(before))
    program(here / "package", version("7.0.15"))
    assert run(here) == "setup: installing redis-server for the tests (its service is not started)\n"
    assert "install -y --no-install-recommends redis-server" in (here / "apt.log").read_text()
    assert "exit 101" in (here / "policy-seen").read_text()
    assert not (here / "policy").exists()


def test_where_it_cannot_be_had_it_says_what_is_skipped_and_how_to_get_it(here: Path) -> None:
    said = run(here)
    assert "the tests that join nodes are skipped" in said
    assert "apt-get install redis-server" in said
    assert "update" in (here / "apt.log").read_text()


def test_who_is_not_root_is_told_only(here: Path) -> None:
    program(here / "bin" / "id", "#!/bin/sh\necho 1000\n")
    assert "the tests that join nodes are skipped" in run(here)
    assert not (here / "apt.log").exists()


def test_one_that_was_named_is_not_replaced_by_another(here: Path) -> None:
    program(here / "bin" / "mine", version("6.0.0"))
    program(here / "package", version("7.0.15"))
    assert "7.0 or newer was not found" in run(here, REDIS_SERVER=str(here / "bin" / "mine"))
    assert not (here / "apt.log").exists()


def test_the_script_is_executable() -> None:
    assert os.access(SCRIPT, os.X_OK)
