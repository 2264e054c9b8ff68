"""Write into the documents what they take from the code: the picture of states and the table of settings.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; `--check` changes nothing and exits 1
where a document is out of date.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from channels.buckets import Rate
from hub.config import PREFIX, Settings
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
        lines.append(f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {field.description} |")
    return "\n".join(lines)


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
}


def with_part(text: str, name: str, part: str) -> str:
    """`text` with the generated part of that name replaced; `ValueError` where its markers are missing."""
    pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"expected the markers <!-- generated: {name} --> and <!-- end -->, found none")
    return pattern.sub(lambda match: f"{match[1]}{part}{match[2]}", text)


def main() -> int:
    """Rewrite, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for name, (file, make) in PARTS.items():
        path = ROOT / file
        text = path.read_text()
        fresh = with_part(text, name, make())
        if fresh != text:
            stale.append(file)
            if not check:
                path.write_text(fresh)
    print("\n".join(f"{'out of date' if check else 'written'}: {file}" for file in stale) or "nothing to do")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
