"""The clauses of PROTOCOL.md and the tests that cite them.

In Python by `@pytest.mark.clause("M22")`, in Rust by a doc comment that begins with the numbers: `/// M22: …`, in
shared vectors by a member `clauses`.
"""

import ast
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"\b([BCEFHILMNPRSX]\d{1,2})\b")
"""The letters of the protocol's sections; other documents number their rows with other letters."""


def defined() -> set[str]:
    """Numbers in bold at the head of a clause or of a row of the table of limits."""
    text = (ROOT / "PROTOCOL.md").read_text()
    return set(re.findall(r"^(?:- |\| )?\*\*([A-Z]\d{1,2})(?:\*\*| )", text, re.MULTILINE))


def python_citations() -> Iterator[tuple[str, str]]:
    """(clause, file) for each argument of a `clause` marker in the test-suite."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "clause":
                yield from (
                    (str(a.value), str(path.relative_to(ROOT))) for a in node.args if isinstance(a, ast.Constant)
                )


def rust_citations() -> Iterator[tuple[str, str]]:
    """(clause, file) for each doc comment directly above a Rust test that begins with clause numbers."""
    block = re.compile(
        r"((?:^\s*///.*\n)+)(?:\s*#\[[^\]]*\]\n)*\s*#\[test\]|((?:^\s*///.*\n)+)\s*#\[test\]", re.MULTILINE
    )
    for path in sorted((ROOT / "native").rglob("*.rs")):
        if "target" in path.parts:
            continue
        for match in block.finditer(path.read_text()):
            head = (match.group(1) or match.group(2)).partition(":")[0]
            yield from ((number, str(path.relative_to(ROOT))) for number in NUMBER.findall(head))


def vector_citations() -> Iterator[tuple[str, str]]:
    """(clause, file) for each case of the vectors that all clients read."""
    for path in sorted((ROOT / "tests" / "vectors").glob("*.json")):
        document = json.loads(path.read_text())
        for case in document["cases"]:
            yield from ((number, str(path.relative_to(ROOT))) for number in case.get("clauses", ()))


def cited() -> dict[str, set[str]]:
    """Clause -> files whose tests cite it."""
    files: dict[str, set[str]] = defaultdict(set)
    for number, path in (*python_citations(), *rust_citations(), *vector_citations()):
        files[number].add(path)
    return files


def without_test() -> dict[str, str]:
    """Clauses that no test cites yet, each with the reason: the file `clauses.toml`."""
    table: dict[str, str] = {}
    for reason, numbers in tomllib.loads((Path(__file__).parent / "clauses.toml").read_text()).items():
        table |= dict.fromkeys(numbers, reason)
    return table
