"""The program starts fast, knows its tree without importing it, and completes in shells."""

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from ng_ws import commands
from ng_ws.exits import Exit
from ng_ws.main import COMPLETE
from ng_ws.tree import Tree

from tests.support.program import run

ROOT = Path(__file__).resolve().parents[2]

# Seconds of computing, which do not depend on what else the machine does as elapsed ones do.
BUDGET = 0.15


def computing(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "ng_ws", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("sub", "--help"), ("token", "new", "-h")])
def test_help_and_version_come_in_less_than_150_ms(arguments: tuple[str, ...]) -> None:
    assert min(computing(*arguments) for _ in range(3)) < BUDGET


LOADED = """
import sys
from ng_ws.main import main
main({arguments!r})
heavy = {{"typer", "rich", "textual", "asyncio", "websockets", "pydantic"}}
print(sorted(set(sys.modules) & heavy), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["--help"], set()),
        (["top", "--help"], set()),
        (["status", "--url", "ws://127.0.0.1:1/ws"], {"typer"}),
    ],
)
def test_nothing_is_imported_before_it_is_needed(arguments: list[str], loaded: set[str]) -> None:
    command = [sys.executable, "-c", LOADED.format(arguments=arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = set(eval(done.stderr.splitlines()[-1]))
    assert found & {"textual", "rich", "websockets"} == set()
    assert found >= loaded


def test_the_help_that_is_shown_is_what_typer_would_say() -> None:
    for words in ([], ["sub"], ["token", "new"]):
        file = ROOT / "cli/src/ng_ws/helps" / f"{'-'.join(('ng-ws', *words))}.txt"
        command = [sys.executable, "-m", "ng_ws", *words, "--no-color", "--help"]
        environ = {**os.environ, "COLUMNS": "80"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
        assert file.read_text() == done.stdout


async def test_a_narrow_terminal_gets_a_help_of_its_width() -> None:
    _, out, _ = await run("--help", COLUMNS="50")
    assert max(map(len, out.splitlines())) <= 90
    assert "Usage: ng-ws" in out


def test_every_command_of_the_table_loads_and_groups_have_theirs() -> None:
    tree = Tree(name="ng-ws")
    for name in tree.list_commands(None):
        command = tree.get_command(None, name)
        assert command.name == name
        assert set(getattr(command, "commands", ())) == set(commands.GROUPS.get(name, ()))
    assert tree.get_command(None, "nope") is None


async def test_a_command_that_is_nearly_right_is_told_with_the_right_one() -> None:
    code, _, err = await run("subs")
    assert (code, "No such command 'subs'. Did you mean sub or status?" in err or "Did you mean sub" in err) == (
        2,
        True,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_is_shown_for_each_shell(shell: str) -> None:
    code, out, _ = await run("completion", shell)
    assert (code, COMPLETE in out, "ng-ws" in out) == (0, True, True)


async def test_an_unknown_shell_is_told() -> None:
    code, _, err = await run("completion", "tcsh")
    assert (code, "completion: expected bash, zsh or fish, got 'tcsh'" in err) == (2, True)


async def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    (tmp_path / "ng-ws").write_text(f'#!/bin/sh\nexec {sys.executable} -m ng_ws "$@"\n')
    (tmp_path / "ng-ws").chmod(0o755)
    script = """
    eval "$(ng-ws completion bash)"
    for line in "$@"; do
      COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
      "$(complete -p ng-ws | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" ng-ws
      echo "${COMPREPLY[@]}"
    done
    """
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script, "bash", "ng-ws co", "ng-ws explain --l"), stdout=asyncio.subprocess.PIPE, env=environ
    )
    out, _ = await process.communicate()
    assert out.decode().splitlines() == ["conns context completion", "--limit"]


def test_every_exit_code_has_a_meaning_and_a_place_in_the_documents() -> None:
    text = (ROOT / "docs/CLI.md").read_text()
    assert all(f"| {code.value} | {code.meaning} |" in text for code in Exit)


async def test_a_mistake_in_a_filter_is_shown_with_a_mark_below_its_place() -> None:
    code, _, err = await run("sub", "signals", "--filter", "(is_novel")
    assert code == 2
    assert err.splitlines()[1:3] == ["       (is_novel", "                ^"]
