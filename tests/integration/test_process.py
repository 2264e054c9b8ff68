"""`neurograph-hub` as a process: banner, tokens, ports, signals, exit codes (K11, C1; hardening.md id10, pr4)."""

import json
import signal
import socket
import stat
import subprocess
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from hub import __version__
from tests.support.process import HubProcess, command, environment


def run(directory: Path, *arguments: str, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=directory,
        env=environment(**variables),
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.accept("K11", "H8")
def test_the_banner_shows_what_is_there_with_a_token_for_each_role(tmp_path: Path) -> None:
    with HubProcess(tmp_path, "--port", "0") as hub:
        assert f"NeuroGraph Hub {__version__}" in hub.banner
        assert list(hub.tokens) == ["admin", "developer", "viewer", "bot"]
        assert f"Dashboard    http://localhost:{hub.port}/\n" in hub.banner
        bearer = {"Authorization": f"Bearer {hub.tokens['admin']}"}
        assert httpx.get(f"{hub.http_url}/api/v1/clients", headers=bearer).status_code == 200
        assert httpx.get(f"{hub.http_url}/health/ready").status_code == 200


def test_tokens_are_kept_in_a_file_of_the_owner_and_survive_a_restart(tmp_path: Path) -> None:
    with HubProcess(tmp_path, "--port", "0") as first:
        tokens = first.tokens
        assert first.end() == 0
    file = tmp_path / ".ng" / "dev.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["tokens"] == tokens
    with HubProcess(tmp_path, "--port", "0") as second:
        assert second.tokens == tokens
        bearer = {"Authorization": f"Bearer {tokens['viewer']}"}
        assert httpx.get(f"{second.http_url}/api/v1/status", headers=bearer).status_code == 200


@pytest.mark.clause("X1")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("handover", ["--handover", "--no-handover"])
def test_pr4_a_signal_closes_connections_with_4301_and_ends_with_0(
    tmp_path: Path, number: signal.Signals, handover: str
) -> None:
    settings = ("--port", "0", handover, "--drain-window", "0.2", "--drain-deadline", "0.5")
    with HubProcess(tmp_path, *settings) as hub, connect(f"ws://127.0.0.1:{hub.port}/ws") as ws:
        assert json.loads(ws.recv(10))["type"] == "welcome"
        with socket.create_connection(("127.0.0.1", hub.port)) as half:
            half.sendall(b"GET /ws HTTP/1.1\r\n")
            assert hub.end(number) == 0
        if number == signal.SIGTERM:
            assert json.loads(ws.recv(10))["type"] == "goaway"
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(10)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4301, "draining")


@pytest.mark.accept("K11")
@pytest.mark.parametrize("way", ["flag", "variable", "file"])
def test_a_port_that_was_named_and_is_taken_stops_the_start_with_a_sentence(tmp_path: Path, way: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = str(other.getsockname()[1])
        (tmp_path / "hub.toml").write_text(f"port = {taken}\n" if way == "file" else "")
        arguments = ["--port", taken] if way == "flag" else ["--config", "hub.toml"]
        ended = run(tmp_path, *arguments, **({"NG_PORT": taken} if way == "variable" else {}))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"NG_PORT: expected a free port, came {taken}, which another process holds" in ended.stderr


@pytest.mark.accept("K11")
def test_the_lines_of_the_banner_work_when_copied(tmp_path: Path) -> None:
    with HubProcess(tmp_path, "--port", "0") as hub:
        block = hub.banner.partition("  Try ")[2].partition("  Stop ")[0]
        token, listen, emit = (line.strip() for line in block.splitlines())
        script = f"{token}\n{emit}\n{listen} -n 1"
        ended = subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    assert '"event"' in ended.stdout


@pytest.mark.accept("C1")
def test_id10_production_without_a_secret_ends_with_2_and_says_what_to_set(tmp_path: Path) -> None:
    ended = run(tmp_path, NG_MODE="production")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "set NG_JWT_SECRET to at least 32 random bytes" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "NG_PORT: expected a whole number, came 'x'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["check", "--config", "nowhere.toml"], "NG_CONFIG: expected a readable file"),
        (["keys", "new", "--name", "a", "--role", "root"], "--role: expected one of"),
        (["demo", "--mode", "production"], "production needs keys"),
        (["--jwt-secret=x"], "unrecognized arguments"),
    ],
)
def test_a_wrong_argument_ends_with_2_and_a_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    ended = run(tmp_path, *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_channel_stops_the_start_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('[channels."room:*"]\nsubscribe = ["boss"]\n')
    ended = run(tmp_path, "check", "--port", "0", "--config", "hub.toml")
    assert ended.returncode == 2
    assert '[channels."room:*"] subscribe: expected one of' in ended.stderr


def test_check_validates_without_serving(tmp_path: Path) -> None:
    ended = run(tmp_path, "check", "--port", "0")
    assert (ended.returncode, [line.split()[1] for line in ended.stdout.splitlines()]) == (0, ["ok,"] * 3)
    assert not (tmp_path / ".ng").exists()


def test_a_variable_that_is_no_setting_is_told(tmp_path: Path) -> None:
    assert "NG_PROT is no setting" in run(tmp_path, "check", "--port", "0", NG_PROT="1").stderr


def test_help_lists_every_setting_with_its_default(tmp_path: Path) -> None:
    from hub.config import Settings

    text = run(tmp_path, "--help").stdout
    assert [
        name for name in Settings.model_fields if f"NG_{name.upper()}" not in text and f"[{name}]" not in text
    ] == []
    assert "60/10" in text


@pytest.mark.accept("C7")
def test_a_new_key_is_shown_once_and_its_table_works(tmp_path: Path) -> None:
    made = run(tmp_path, "keys", "new", "--name", "ci", "--role", "admin")
    key = made.stderr.split()[-1]
    assert key.startswith("ngk_")
    assert key not in made.stdout
    (tmp_path / "hub.toml").write_text(made.stdout)
    with HubProcess(tmp_path, "--port", "0", NG_CONFIG="hub.toml") as hub:
        bearer = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{hub.http_url}/api/v1/clients", headers=bearer).status_code == 200


@pytest.mark.accept("C17")
def test_a_new_user_takes_the_place_of_the_samples(tmp_path: Path) -> None:
    made = run(tmp_path, "users", "new", "--name", "ann", "--role", "viewer", text="correct horse\n")
    (tmp_path / "hub.toml").write_text(made.stdout)
    with HubProcess(tmp_path, "--port", "0", "--config", "hub.toml") as hub:
        url = f"{hub.http_url}/api/v1/auth/token"
        good = httpx.post(url, json={"username": "ann", "password": "correct horse"})
        assert good.json()["data"]["role"] == "viewer"
        assert httpx.post(url, json={"username": "admin", "password": "secret"}).status_code == 401


def test_config_show_hides_secrets(tmp_path: Path) -> None:
    secret = "q7Zr0V1mXc9LkT3bN5yHs8JdW2fGpAeU"
    shown = run(tmp_path, "config", "show", NG_JWT_SECRET=secret)
    assert json.loads(shown.stdout)["settings"]["jwt_secret"] == "***"
    assert secret not in shown.stdout + shown.stderr


@pytest.mark.accept("K11", "B7", "N7")
def test_the_demo_emits_from_the_first_second_and_takes_lines_from_a_pipe(tmp_path: Path) -> None:
    with HubProcess(tmp_path, "demo", "--port", "0", text="a line that nobody has said\n") as hub:
        assert "demo: 3 bots, 200 signals/s" in hub.banner
        url = f"ws://127.0.0.1:{hub.port}/ws?token={hub.tokens['developer']}"
        with connect(url) as ws:
            ws.send(json.dumps({"type": "subscribe", "channels": ["signals", "metrics"]}))
            texts: set[str] = set()
            series: set[str] = set()
            while not ({"a line that nobody has said"} <= texts or len(texts) > 3) or len(series) < 3:
                message = json.loads(ws.recv(10))
                if message.get("channel") == "signals":
                    texts.add(message["data"]["payload"]["text"])
                elif message.get("channel") == "metrics":
                    series.add(message["key"].split("/")[1])
        assert series == {"system", "core", "hub"}
        bearer = {"Authorization": f"Bearer {hub.tokens['developer']}"}
        page = httpx.get(f"{hub.http_url}/api/v1/channels/signals?limit=1000", headers=bearer).json()
        said = {event["data"]["payload"]["text"] for event in page["data"]["events"]}
        assert "a line that nobody has said" in said
        assert hub.end() == 0
