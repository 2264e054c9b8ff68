"""Run the Autobahn test suite (RFC 6455, RFC 7692) against the hub's framing, and name every case that is not right.

    .venv/bin/python scripts/autobahn.py [--cases quick|fast|all|1.*,7.*] [--url ws://127.0.0.1:PORT/echo]

Without `--url` a hub is started for it: `/echo`, which development has under `NG_TEST_ECHO=1`, sends back what came on
the same native code as `/ws`. The suite is Python 2.7 software, installed once below `.venv/autobahn`; the interpreter
is `$PY2`, else the newest 2.7 of pyenv, else `python2.7`. `quick` (sections 1-7 and 10) takes seconds, `fast` a
minute or two, `all` half an hour.

Exit status: 0 every case is OK or informational; 1 one is not, NON-STRICT included; 2 a case has no result;
3 the suite cannot be installed here.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".venv" / "autobahn"
SUITE = "autobahntestsuite==25.10.1"
# The suite's release names no dependencies; these are the last that Python 2.7 takes together.
DEPENDENCIES = (
    *("setuptools==44.0.0", "six==1.16.0", "Twisted==19.10.0", "zope.interface==4.6.0", "incremental==16.10.1"),
    *("txaio==2.1.0", "autobahn==0.10.9", "wsaccel==0.6.3", "unittest2==1.1.0", "jinja2==2.11.3", "markupsafe==1.1.1"),
    *("klein==17.10.0", "Werkzeug==1.0.1", "pyOpenSSL==19.1.0", "cryptography==3.3.2", "service_identity==18.1.0"),
)
QUICK = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
DEFLATE = (
    "12.1.1",
    "12.1.5",
    "12.2.1",
    "12.2.6",
    "12.3.1",
    "12.3.11",
    "12.4.1",
    "12.5.11",
    "13.1.1",
    "13.3.1",
    "13.7.1",
)
CASES = {"quick": QUICK, "fast": (*QUICK, "9.*", *DEFLATE), "all": ("*",)}
RIGHT = {"OK", "INFORMATIONAL"}
DECLINED = "UNIMPLEMENTED"
"""An offer of section 13 that was not accepted: small windows are declined by B2."""
TIMEOUT = {"quick": 300.0, "fast": 900.0}
LONGEST = 3_600.0
STARTED_WITHIN = 60.0
ECHO = {"NG_TEST_ECHO": "1", "NG_PORT": "0", "NG_BYTE_RATE": "268435456/268435456"}
"""Settings of a hub under the suite, whose largest cases send faster than anybody may."""


class MissingError(Exception):
    """The suite cannot be installed here; says what is missing and the way out."""


def python2() -> str:
    """The interpreter of the suite. Raises `MissingError`."""
    if named := os.environ.get("PY2"):
        return named
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(pyenv.glob("versions/2.7.*/bin/python2.7"))
    path = str(found[-1]) if found else shutil.which("python2.7")
    if path is None:
        raise MissingError("Python 2.7, in which the Autobahn suite is written: `pyenv install 2.7.18`, or set PY2")
    return path


def install() -> None:
    """Put the suite below `HOME`, once. Raises `MissingError`."""
    if (HOME / "complete").exists():
        return
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    pip = [python2(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(HOME)]
    for packages in (DEPENDENCIES, ("--no-deps", SUITE)):
        done = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"the Autobahn suite, which pip could not install:\n{done.stderr.strip()[-2000:]}")
    (HOME / "complete").touch()


def run(url: str, cases: str, agent: str = "neurograph-hub") -> dict[str, dict[str, str]]:
    """The suite's client against `url`. -> what it found, by case. Raises `MissingError`, `TimeoutExpired`."""
    install()
    wanted = CASES.get(cases) or tuple(cases.split(","))
    with tempfile.TemporaryDirectory() as folder:
        spec = {
            "outdir": folder,
            "servers": [{"agent": agent, "url": url, "options": {"version": 18}}],
            "cases": list(wanted),
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        command, environment = _suite("fuzzingclient", Path(folder), spec)
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT.get(cases, LONGEST),
            check=False,
        )
        index = Path(folder) / "index.json"
        if not index.exists():
            raise MissingError(
                f"a result: the suite ended with {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}"
            )
        found: dict[str, dict[str, str]] = json.loads(index.read_text())[agent]
    return found


@contextmanager
def serve(cases: str) -> Iterator[tuple[str, Path]]:
    """The suite as a server. -> its URL, and where `index.json` stands once a client has asked for the reports

    Raises `MissingError`.
    """
    install()
    with tempfile.TemporaryDirectory() as folder, socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        taken.close()
        wanted = CASES.get(cases) or tuple(cases.split(","))
        spec = {"url": url, "outdir": folder, "cases": list(wanted), "exclude-cases": [], "exclude-agent-cases": {}}
        command, environment = _suite("fuzzingserver", Path(folder), spec)
        log = Path(folder) / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
            try:
                _wait_until_open(url, server, log)
                yield url, Path(folder) / "index.json"
            finally:
                server.kill()
                server.wait()


def _wait_until_open(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    until = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            create_connection(address, timeout=1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                raise MissingError(f"the suite as a server: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
        else:
            return


def _suite(mode: str, folder: Path, spec: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """-> the command of the suite in a mode, and its environment"""
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    start = f"import site; site.addsitedir({str(HOME)!r}); from autobahntestsuite.wstest import run; run()"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return [python2(), "-c", start, "-m", mode, "-s", str(path)], environment | {"PYTHONNOUSERSITE": "1"}


def wrong(results: dict[str, dict[str, str]]) -> list[str]:
    """One line for each case that is neither right nor informational, in its content or in how it closed."""
    in_order = sorted(results.items(), key=lambda one: [int(part) for part in one[0].split(".")])
    return [
        f"{case}: {found['behavior']}, close {found['behaviorClose']}"
        for case, found in in_order
        if not {found["behavior"], found["behaviorClose"]} <= RIGHT | ({DECLINED} if case.startswith("13.") else set())
    ]


def main() -> int:
    """Run it and print what is wrong. -> the exit status"""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="fast", help="quick, fast, all, or patterns with commas between them")
    parser.add_argument("--url", help="a server that echoes; none: a hub is started for it")
    options = parser.parse_args()
    try:
        install()
        if options.url is not None:
            results = run(options.url, options.cases)
        else:
            sys.path.insert(0, str(ROOT))
            from tests.support.process import HubProcess  # noqa: PLC0415 - not needed with a URL

            with (
                tempfile.TemporaryDirectory() as folder,
                HubProcess(
                    Path(folder), "serve", NG_TEST_ECHO="1", NG_PORT="0", NG_BYTE_RATE="268435456/268435456"
                ) as hub,
            ):
                results = run(f"ws://127.0.0.1:{hub.port}/echo", options.cases)
    except MissingError as error:
        print(f"autobahn: missing: {error}", file=sys.stderr)
        return 3
    for line in wrong(results):
        print(line)
    counts = Counter(found["behavior"] for found in results.values())
    print(f"autobahn: {len(results)} cases: {', '.join(f'{count} {name}' for name, count in counts.most_common())}")
    if not results:
        return 2
    return 1 if wrong(results) else 0


if __name__ == "__main__":
    sys.exit(main())
