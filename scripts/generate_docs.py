"""Write into the documents what they take from the code: the picture of states, the table of settings, the commands;
and for the page the table of close codes.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; the helps of `ng-ws` are files of their
own, which the program shows. `--check` changes nothing and exits 1 where a document is out of date.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ng_ws.app import HelpAsked, app
from ng_ws.commands import COMMANDS, GROUPS
from ng_ws.exits import Exit
from ng_ws.main import NAME, WIDTH
from pydantic_core import PydanticUndefined

from channels.buckets import Rate
from hub.config import PREFIX, Settings
from hub.protocol.close_codes import CLOSE_CODES
from hub.session.states import TRANSITIONS, State

ROOT = Path(__file__).resolve().parent.parent


def states_picture() -> str:
    """The transitions between different states, as a Mermaid diagram."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for state, row in TRANSITIONS.items():
        for trigger, step in row.items():
            if step.next is not state:
                arrows.setdefault((state, step.next), []).append(trigger.value)
    lines = [f"  {start.value} --> {end.value}: {', '.join(why)}" for (start, end), why in arrows.items()]
    begin = ["  [*] --> ready: upgrade, logged in or anonymous allowed", "  [*] --> waiting: upgrade, login required"]
    return "\n".join(["```mermaid", "stateDiagram-v2", *begin, *lines, "  closed --> [*]", "```"])


def settings_table() -> str:
    """Every setting with its default and meaning."""
    lines = ["| setting | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {meaning} |")
    return "\n".join(lines)


def help_of(*command: str) -> str:
    """What a command of `ng-ws` says with `--help`, as typer renders it."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        app([*command, "--help"], prog_name=NAME, standalone_mode=False, obj=HelpAsked())
    return shown.getvalue()


def commands_table() -> str:
    """Every command with its first example."""
    lines = ["| command | | for example |", "|---|---|---|"]
    for name, entry in COMMANDS.items():
        example = re.search(r"^ *\$ (.*)$", help_of(name), re.MULTILINE)
        shown = "" if example is None else f"`{example[1].strip()}`".replace("|", "\\|")
        lines.append(f"| `{name}` | {entry.about} | {shown} |")
    return "\n".join(lines)


def exits_table() -> str:
    """Every exit code with its meaning."""
    return "\n".join(["| code | |", "|---:|---|", *(f"| {code.value} | {code.meaning} |" for code in Exit)])


def close_codes() -> str:
    """The table of close codes as the page reads it: slug and meaning by code."""
    table = {str(code): {"slug": entry.slug, "meaning": entry.meaning} for code, entry in CLOSE_CODES.items()}
    return json.dumps(table, indent=2) + "\n"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "computed"
    if value is None or value == ():
        return "none"
    if isinstance(value, Rate):
        return f"`{value.capacity:g}/{round(value.refill, 3):g}`"
    return f"`{value}`"


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "states": ("PROTOCOL.md", states_picture),
    "settings": ("docs/SETTINGS.md", settings_table),
    "commands": ("docs/CLI.md", commands_table),
    "exits": ("docs/CLI.md", exits_table),
}
HELPS = [(), *((name,) for name in COMMANDS), *((group, name) for group, names in GROUPS.items() for name in names)]
WHOLE: dict[str, Callable[[], str]] = {
    "dashboard/src/close_codes.json": close_codes,
    **{f"cli/src/ng_ws/helps/{'-'.join((NAME, *command))}.txt": partial(help_of, *command) for command in HELPS},
}


def with_part(text: str, name: str, part: str) -> str:
    """`text` with the generated part of that name replaced; `ValueError` where its markers are missing."""
    pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"expected the markers <!-- generated: {name} --> and <!-- end -->, found none")
    return pattern.sub(lambda match: f"{match[1]}{part}{match[2]}", text)


def _renew(file: str, fresh_of: Callable[[str], str], *, check: bool) -> list[str]:
    """Rewrite a file that is out of date, unless it is only to be checked. -> its name if it was"""
    path = ROOT / file
    text = path.read_text() if path.exists() else ""
    fresh = fresh_of(text)
    if fresh == text:
        return []
    if not check:
        path.write_text(fresh)
    return [file]


def main() -> int:
    """Rewrite, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    os.environ["COLUMNS"] = str(WIDTH)
    stale = []
    for name, (file, make) in PARTS.items():
        stale += _renew(file, lambda text, name=name, make=make: with_part(text, name, make()), check=check)  # type: ignore[misc]
    for file, make in WHOLE.items():
        stale += _renew(file, lambda _text, make=make: make(), check=check)  # type: ignore[misc]
    print("\n".join(f"{'out of date' if check else 'written'}: {file}" for file in stale) or "nothing to do")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
