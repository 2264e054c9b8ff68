"""deploy/Dockerfile and what is sent to its build."""

import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.deployment import DEPLOY, ROOT
from tests.support.hub import RunningHub


class Stage(NamedTuple):
    base: str
    name: str
    steps: list[tuple[str, str]]


def read() -> tuple[dict[str, str], list[Stage]]:
    """ARGs before the first stage, and the stages."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip()]
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in lines:
        verb, _, rest = line.partition(" ")
        if verb == "ARG" and not stages:
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif verb == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name, []))
        else:
            stages[-1].steps.append((verb, " ".join(rest.split())))
    return arguments, stages


ARGUMENTS, STAGES = read()


@pytest.mark.accept("O4", "O5")
def test_it_is_built_in_one_stage_and_runs_in_another() -> None:
    assert [stage.name for stage in STAGES] == ["rust", "build", "run"]
    assert STAGES[-1].base == "${PYTHON}"
    # The environment of Python was made with the same one.
    assert STAGES[1].base == STAGES[-1].base


@pytest.mark.parametrize("name", ARGUMENTS)
def test_bases_are_pinned(name: str) -> None:
    assert re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-slim-bookworm|\S+@sha256:[0-9a-f]{64}", ARGUMENTS[name]) is not None


def test_python_and_rust_are_new_enough() -> None:
    python, rust = (tuple(map(int, re.findall(r"\d+", ARGUMENTS[name])[:2])) for name in ("PYTHON", "RUST"))
    assert python >= (3, 11)
    assert rust >= (1, 88)


def test_what_runs_has_no_compiler_and_no_installer() -> None:
    steps = " ".join(rest for _, rest in STAGES[-1].steps)
    assert not re.search(r"\b(apt-get|gcc|cargo|rustup|build-essential)\b", steps)
    assert "pip uninstall --yes" in steps
    copied = [rest for verb, rest in STAGES[-1].steps if verb == "COPY"]
    assert [words.split()[-2:] for words in copied] == [
        ["/opt/neurograph-hub", "/opt/neurograph-hub"],
        ["deploy/healthy.py", "/opt/neurograph-hub/healthy.py"],
    ]


def test_it_runs_as_a_numeric_user_who_is_not_root_and_owns_nothing_of_it() -> None:
    (user,) = [rest for verb, rest in STAGES[-1].steps if verb == "USER"]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user) is not None
    assert all("--chown=0:0" in rest for verb, rest in STAGES[-1].steps if verb == "COPY")


def test_no_secret_is_baked_in() -> None:
    for stage in STAGES:
        text = " ".join(rest for verb, rest in stage.steps if verb in {"ENV", "ARG"})
        assert not re.search(r"SECRET|PASSWORD|TOKEN|KEY", text)


def test_the_health_check_asks_whether_it_lives_and_never_about_redis() -> None:
    (check,) = [rest for verb, rest in STAGES[-1].steps if verb == "HEALTHCHECK"]
    assert check.endswith('CMD ["python", "/opt/neurograph-hub/healthy.py"]')
    assert "live" in (DEPLOY / "healthy.py").read_text(encoding="utf-8")


def ignored(path: str) -> bool:
    """.dockerignore: the last line that fits decides."""
    answer = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if not pattern or line.startswith("#"):
            continue
        fits = [fnmatch(part, pattern.removeprefix("**/")) for part in Path(path).parts] if "**/" in pattern else []
        if any(fits) or path == pattern or path.startswith(f"{pattern}/") or pattern == "*":
            answer = not line.startswith("!")
    return answer


def test_the_build_gets_what_it_copies_and_no_secret() -> None:
    for stage in STAGES:
        for verb, rest in stage.steps:
            words = [word for word in shlex.split(rest) if not word.startswith("--")]
            if verb != "COPY" or "--from=" in rest:
                continue
            for source in words[:-1]:
                assert (ROOT / source).exists(), source
                assert not ignored(source), source
    for path in (
        ".env",
        "deploy/secrets/hub.toml",
        ".git/config",
        "hub/__pycache__/x.pyc",
        "native/target/x",
        ".ng/dev.json",
    ):
        assert ignored(path), path


def healthy(port: int, *arguments: str) -> int:
    environment = {"NG_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    script = str(DEPLOY / "healthy.py")
    return subprocess.run(
        [sys.executable, script, *arguments], env=environment, capture_output=True, check=False, timeout=20
    ).returncode


def test_the_check_tells_a_hub_that_lives_from_one_that_does_not() -> None:
    with RunningHub() as hub:
        assert [healthy(hub.port), healthy(hub.port, "ready"), healthy(hub.port, "nothing")] == [0, 0, 1]
        port = hub.port
    assert healthy(port) == 1
