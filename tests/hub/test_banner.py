"""hub/banner.py: what the terminal shows."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from hub import __version__
from hub.banner import banner
from hub.config import Settings


@pytest.mark.accept("K11")
def test_the_banner_shows_addresses_tokens_and_what_to_try() -> None:
    text = banner(Settings(), 8000, {"admin": "a.b.c", "bot": "d.e.f"}, demo="3 bots")
    assert f"NeuroGraph Hub {__version__}" in text
    assert "  Dashboard    http://localhost:8000/\n" in text
    assert "Dashboard" not in banner(Settings(page=False), 8000, {})
    assert "ws://localhost:8000/ws" in text
    assert "http://localhost:8000/api/v1/status" in text
    assert "admin      a.b.c" in text
    assert "bot        d.e.f" in text
    assert "(development, 24 h, kept in .ng/dev.json)" in text
    assert "demo: 3 bots" in text
    assert "taken" not in text


def test_a_port_that_was_taken_is_told() -> None:
    assert "port 8000 is taken, this is the next free one" in banner(Settings(), 8001, {})
    assert "taken" not in banner(Settings(port=0), 8001, {})


def tries(text: str) -> list[str]:
    block = text.partition("  Try ")[2].partition("  Stop ")[0]
    return [line.strip() for line in block.splitlines()]


def test_the_lines_to_try_name_the_program_beside_the_interpreter_where_no_path_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "my venv" / "bin" / "ng-ws"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    monkeypatch.setattr("sys.executable", str(program.with_name("python")))
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    assert tries(banner(Settings(), 8001, {})) == [
        "export NG_TOKEN=$('my venv/bin/ng-ws' --url ws://localhost:8001/ws token new --role developer)",
        "'my venv/bin/ng-ws' --url ws://localhost:8001/ws --subscribe metrics,signals",
        "'my venv/bin/ng-ws' --url ws://localhost:8001/ws emit signal.input.text \"hello\"",
    ]
    monkeypatch.setenv("PATH", str(program.parent))
    assert tries(banner(Settings(), 8000, {})) == [
        "export NG_TOKEN=$(ng-ws token new --role developer)",
        "ng-ws --subscribe metrics,signals",
        'ng-ws emit signal.input.text "hello"',
    ]


def test_production_shows_no_token() -> None:
    settings = Settings(
        mode="production",
        host="192.0.2.7",
        jwt_secret="q7Zr0V1mXc9LkT3bN5yHs8JdW2fGpAeU",  # type: ignore[arg-type]  # read as an environment variable is
        jwt_issuer="i",
        jwt_audience="a",
    )
    text = banner(settings, 8000, {})
    assert "Tokens" not in text
    assert "ws://192.0.2.7:8000/ws" in text


def test_channels_whose_log_is_kept_on_disk_are_named(tmp_path: Path) -> None:
    kept = {"signals": {"retention": {"durable": True}}, "room:*": {"retention": {"durable": True}}}
    assert "log: on disk: signals, room:*" in banner(Settings(channels=kept, data_dir=tmp_path), 8000, {})
    assert "log: memory" in banner(Settings(), 8000, {})
    assert "log: redis" in banner(Settings(redis_url=SecretStr("redis://localhost")), 8000, {})
    assert "no channel has retention = { durable = true }" in banner(Settings(data_dir=tmp_path), 8000, {})
