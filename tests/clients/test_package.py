"""What is installed in other people's environments stays small and alone."""

import io
import subprocess
import sys
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import neurograph_ws_client
import ng_ws
import pytest

PACKAGE = Path(neurograph_ws_client.__file__).parent
COMMAND = Path(ng_ws.__file__).parent


def test_the_client_needs_websockets_only() -> None:
    needed = [name for name in requires("neurograph-ws-client") or [] if "extra ==" not in name]
    assert needed == ["websockets>=15"]


@pytest.mark.parametrize("name", ["neurograph_ws_client", "neurograph_ws_client.testing", "ng_ws.app", "ng_ws.listen"])
def test_nothing_of_the_server_is_imported(name: str) -> None:
    server = "{'hub', 'channels', 'starlette', 'uvicorn', 'msgspec'}"
    script = f"import sys, {name}; print(sorted({server} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_its_wheel_stays_within_a_hundred_and_twenty_kilobytes() -> None:
    """The budget of the client; a wheel is a zip of its files."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as files:
        for path in PACKAGE.rglob("*.py"):
            files.write(path, path.relative_to(PACKAGE.parent))
    assert wheel.tell() < 120 * 1024


def test_both_distributions_are_typed_and_know_their_version() -> None:
    assert [(package / "py.typed").exists() for package in (PACKAGE, COMMAND)] == [True, True]
    assert version("neurograph-ws-client") == neurograph_ws_client.__version__


def test_every_public_name_is_documented() -> None:
    named = {name: getattr(neurograph_ws_client, name) for name in neurograph_ws_client.__all__ if name[0].isupper()}
    bare = [name for name, value in named.items() if isinstance(value, type) and not value.__doc__]
    assert bare == []
