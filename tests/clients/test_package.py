"""What is installed in other people's environments stays small and alone."""

import io
import os
import resource
import subprocess
import sys
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import neurograph_jupyter
import neurograph_ws_client
import ng_ws
import pytest

PACKAGE = Path(neurograph_ws_client.__file__).parent
NOTEBOOK = Path(neurograph_jupyter.__file__).parent
COMMAND = Path(ng_ws.__file__).parent


def test_the_client_needs_websockets_only() -> None:
    needed = [name for name in requires("neurograph-ws-client") or [] if "extra ==" not in name]
    assert needed == ["websockets>=15"]


@pytest.mark.parametrize("name", ["neurograph_ws_client", "neurograph_ws_client.testing", "ng_ws.app", "ng_ws.listen"])
def test_nothing_of_the_server_is_imported(name: str) -> None:
    server = "{'hub', 'channels', 'starlette', 'uvicorn', 'msgspec'}"
    script = f"import sys, {name}; print(sorted({server} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def packed(folder: Path) -> int:
    """Bytes of a wheel's part: a wheel is a zip of its files."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as files:
        for path in folder.rglob("*"):
            if path.suffix in {".py", ".js", ".typed"}:
                files.write(path, path.relative_to(folder.parent))
    return wheel.tell()


def test_what_is_installed_stays_small() -> None:
    """60 kB were aimed at, before resumption, recovery, compression, recordings and diagnosis were part of it."""
    assert packed(PACKAGE) < 162_000
    assert packed(NOTEBOOK) < 40_000


def test_the_live_view_of_the_notebook_stays_within_twenty_kilobytes() -> None:
    assert sum((NOTEBOOK / f"live.{kind}").stat().st_size for kind in ("js", "py")) < 20_000


def computing(statement: str, compiled: Path) -> float:
    """Seconds that a fresh interpreter computes, whose modules are kept in `compiled` as an installation keeps them."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", statement], check=True, env=environment | {"PYTHONPYCACHEPREFIX": str(compiled)}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_importing_it_costs_well_below_what_websockets_costs(tmp_path: Path) -> None:
    """15 ms were aimed at; what it takes in ms depends on the machine, and is measured by benchmarks/clients.py."""
    nothing = min(computing("pass", tmp_path) for _ in range(5))
    below = min(computing("import websockets.asyncio.client", tmp_path) for _ in range(5))
    client = "from neurograph_ws_client import NeurographWSClient"
    both = min(computing(f"import websockets.asyncio.client; {client}", tmp_path) for _ in range(5))
    assert both - below < (below - nothing) * 0.45


def test_what_is_not_used_is_not_imported() -> None:
    script = "import sys, neurograph_ws_client as n; {}; print(sorted(m for m in sys.modules if m in {wanted!r}))"
    later = ["neurograph_ws_client.client", "neurograph_ws_client.encoder", "neurograph_ws_client.stores", "websockets"]
    for use, found in (("n.__version__", []), ("n.NeurographWSClient()", later[:1]), ("n.encode_text", later[1:2])):
        run = [sys.executable, "-c", script.format(use, wanted=later)]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == f"{found}\n"


LOOP_WAITS = """
import asyncio, sys, threading

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("websockets", "neurograph_ws_client.opening"):
            print(name, threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Watch())
from neurograph_ws_client import Disconnected, NeurographWSClient

async def main():
    clients = [NeurographWSClient("ws://127.0.0.1:9/ws") for _ in range(2)]
    for fault in await asyncio.gather(*(client.connect() for client in clients), return_exceptions=True):
        print(type(fault).__name__)

asyncio.run(main())
"""


def test_the_loop_does_not_wait_for_what_the_first_attempt_imports() -> None:
    run = subprocess.run([sys.executable, "-c", LOOP_WAITS], capture_output=True, text=True, check=True)
    told = ["neurograph_ws_client.opening False", "websockets False", "Disconnected", "Disconnected"]
    assert run.stdout.splitlines() == told


def test_every_public_name_is_where_it_is_looked_for() -> None:
    assert {*neurograph_ws_client._WHERE, "__version__"} == {*neurograph_ws_client.__all__}
    assert all(getattr(neurograph_ws_client, name) is not None for name in neurograph_ws_client.__all__)
    assert {*neurograph_ws_client.__all__} <= {*dir(neurograph_ws_client)}
    with pytest.raises(AttributeError, match="module 'neurograph_ws_client' has no attribute 'nothing'"):
        _ = neurograph_ws_client.nothing


def test_modules_are_where_they_are_looked_for_too() -> None:
    looks = "n.encoder.encode_text('a') and n.errors.BadRequest is n.BadRequest and n.expressions.words.__name__"
    run = [
        sys.executable,
        "-c",
        f"import neurograph_ws_client as n; print({looks}, hasattr(n, '__file'), hasattr(n, 'x'))",
    ]
    told = "neurograph_ws_client.expressions.words False False\n"
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == told


def test_both_distributions_are_typed_and_know_their_version() -> None:
    assert [(package / "py.typed").exists() for package in (PACKAGE, COMMAND)] == [True, True]
    assert version("neurograph-ws-client") == neurograph_ws_client.__version__


def test_every_public_name_is_documented() -> None:
    named = {name: getattr(neurograph_ws_client, name) for name in neurograph_ws_client.__all__ if name[0].isupper()}
    bare = [name for name, value in named.items() if isinstance(value, type) and not value.__doc__]
    assert bare == []
