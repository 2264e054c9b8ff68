"""Imports run one way: native <- channels <- hub; the client imports nothing of ours, the CLI the client only."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"hub", "channels", "cli", "ng_ws", "neurograph_ws_client", "neurograph_jupyter"}
SERVER = {"starlette", "uvicorn", "redis"}

# package -> its folder, and the packages that it must not import
FORBIDDEN = {
    "channels": ("channels", (OURS - {"channels"}) | SERVER),
    "hub": ("hub", (OURS - {"hub", "channels"}) | {"redis"}),
    "neurograph_ws_client": ("clients/python/src/neurograph_ws_client", (OURS - {"neurograph_ws_client"}) | SERVER),
    "neurograph_jupyter": (
        "clients/python/src/neurograph_jupyter",
        (OURS - {"neurograph_jupyter", "neurograph_ws_client"}) | SERVER,
    ),
    "ng_ws": ("cli/src/ng_ws", (OURS - {"ng_ws", "neurograph_ws_client"}) | SERVER),
}
REDIS = "channels/backplane/redis/"
"""The only package that imports `redis`."""


def imports(file: Path) -> Iterator[str]:
    """Top-level packages that `file` imports, in functions and for type checkers too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_nothing_of_those_above_it(package: str) -> None:
    folder, forbidden = FORBIDDEN[package]
    files = sorted((ROOT / folder).rglob("*.py"))
    found = {(str(file.relative_to(ROOT)), name) for file in files for name in imports(file) if name in forbidden}
    assert files != []
    assert {one for one in found if not (one[0].startswith(REDIS) and one[1] == "redis")} == set()


@pytest.mark.parametrize("crate", ["signal", "plane"])
def test_a_pure_crate_knows_neither_python_nor_the_other(crate: str) -> None:
    manifest = tomllib.loads((ROOT / "native" / crate / "Cargo.toml").read_text(encoding="utf-8"))
    tables = [manifest.get(table, {}) for table in ("dependencies", "dev-dependencies", "build-dependencies")]
    named = {
        str(spec.get("package", name)) if isinstance(spec, dict) else name for t in tables for name, spec in t.items()
    }
    paths = {spec["path"] for t in tables for spec in t.values() if isinstance(spec, dict) and "path" in spec}
    assert ({name for name in named if name.startswith("pyo3")}, paths) == (set(), set())
