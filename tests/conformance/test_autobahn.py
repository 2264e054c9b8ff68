"""The hub's framing under the Autobahn suite, sections 1-7 and 10, through `/echo`: every case right, none lax."""

import subprocess
from pathlib import Path

import pytest

from scripts import autobahn
from tests.support.process import HubProcess

ENOUGH = 240
"""Cases in those sections, about: a run of fewer is no proof."""


@pytest.mark.timeout(420)
def test_no_case_of_the_suite_fails_or_is_lax(tmp_path: Path) -> None:
    try:
        autobahn.install()
    except autobahn.MissingError as missing:
        pytest.skip(f"missing: {missing}")
    with HubProcess(tmp_path, "serve", **autobahn.ECHO) as hub:
        found = autobahn.run(f"ws://127.0.0.1:{hub.port}/echo", "quick")
    assert autobahn.wrong(found) == []
    assert len(found) >= ENOUGH


def test_a_case_that_is_lax_or_closes_wrongly_is_named() -> None:
    right = {"behavior": "OK", "behaviorClose": "OK"}
    told = {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL"}
    lax = {"behavior": "NON-STRICT", "behaviorClose": "OK"}
    closes = {"behavior": "OK", "behaviorClose": "WRONG CODE"}
    declined = {"behavior": "UNIMPLEMENTED", "behaviorClose": "OK"}
    found = {"7.10.1": closes, "7.9.1": right, "2.1": told, "6.4.1": lax, "13.3.1": declined}
    assert autobahn.wrong(found) == ["6.4.1: NON-STRICT, close OK", "7.10.1: OK, close WRONG CODE"]


def test_without_python_2_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PY2", raising=False)
    with pytest.raises(autobahn.MissingError, match=r"Python 2\.7.*pyenv install"):
        autobahn.python2()


def test_a_suite_that_cannot_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autobahn, "install", lambda: None)
    monkeypatch.setattr(autobahn, "python2", lambda: "python2")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_more: subprocess.CompletedProcess([], 1, "", "no reactor"))
    with pytest.raises(autobahn.MissingError, match="no reactor"):
        autobahn.run("ws://127.0.0.1:1/echo", "quick")
