"""`hub.Runtime`: a hub inside a process."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from neurograph_ws_client import NeurographWSClient

from channels.errors import ConfigError
from channels.permissions import Role
from hub import Runtime
from hub.matches import Matches


@pytest.mark.accept("J1", "J2")
def test_a_runtime_serves_between_start_and_stop_and_may_do_so_again() -> None:
    runtime = Runtime(node="here")
    assert (runtime.status(), repr(runtime)) == ("stopped", "<Runtime stopped>")
    for _ in range(2):
        with runtime as hub:
            assert hub.status() == "running"
            assert hub.start() is hub
            assert httpx.get(hub.url.replace("ws", "http", 1).removesuffix("ws") + "health").status_code == 200
            assert repr(hub) == f"<Runtime running {hub.url}>"
        assert runtime.status() == "stopped"
        runtime.stop()


@pytest.mark.accept("J1", "J2")
def test_a_question_finds_what_is_alike_first() -> None:
    with Runtime() as hub:
        disk = hub.emit("signal.input.text", "disk failing on db4", priority=220, payload={"text": "disk"})
        login = hub.emit("signal.input.text", "login refused for ann")
        made = hub.create_token([0.9] * 8)
        assert (disk.is_novel, hub.emit("signal.input.text", "Disk failing on DB4!").is_novel) == (True, False)
        found = hub.query("disk failing on db4", limit=4)
        assert [token.token_id for token, _ in found][2:] == [login.token_id, made]
        similarities = [similarity for _, similarity in found]
        assert similarities == sorted(similarities, reverse=True)
        assert similarities[0] == 1.0
        assert (len(found.top(2)), len(found.top()), found[0], found[:1]) == (2, 4, next(iter(found)), (found[0],))
        assert repr(found.top(1)) == f"<Matches 1: {found[0].token.token_id} (1.000)>"
        assert hub.query([0.9] * 8, limit=1, radius=0.01)[0].token.token_id == made
        assert hub.query([0.9] * 8, event_type="signal.input.text")[0].token.event_type == "signal.input.text"
        assert (list(hub.get_metrics()), hub.signals.count_tokens()) == (["system", "core", "hub"], 4)


async def test_clients_connect_to_it_and_hear_what_is_emitted_in_the_process() -> None:
    with Runtime() as hub:
        async with NeurographWSClient(hub.url, token=hub.token("bot")) as client:
            signals = client.subscribe("signals")
            await signals
            token = hub.emit("signal.sensor", [0.1] * 8, key="probe", tags={"env": "lab"}).token_id
            event = await signals.next(timeout=5)
            assert (event["token_id"], event.key, event.tags) == (token, "probe", {"env": "lab"})
        assert hub.call(lambda one: one.connections.roles())[Role.BOT] in {0, 1}


def test_what_is_wrong_is_told_with_what_was_expected() -> None:
    with pytest.raises(ConfigError, match="NG_METRICS_INTERVAL"):
        Runtime(metrics_interval=-1)
    settings = Runtime().settings
    with pytest.raises(ConfigError, match="expected settings or their names, came both"):
        Runtime(settings, port=1)
    runtime = Runtime(settings)
    for act in (lambda: runtime.url, lambda: runtime.hub, lambda: runtime.call(str), lambda: runtime.query("x")):
        with pytest.raises(RuntimeError, match="expected start"):
            act()
    with runtime as hub, pytest.raises(ConfigError, match="expected admin, developer, viewer, bot, came owner"):
        hub.token("owner")


def test_a_start_that_fails_raises_why_and_gives_the_port_back(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime().bind()
    assert runtime.url.startswith("ws://127.0.0.1:")

    def refuse(*_: object) -> None:
        raise ConfigError("no")

    with monkeypatch.context() as patch:
        patch.setattr("hub.runtime.create_app", refuse)
        with pytest.raises(ConfigError, match="no"):
            runtime.start()
    assert runtime.status() == "stopped"
    with runtime:
        assert runtime.status() == "running"


def test_a_program_that_forgets_to_stop_ends_all_the_same_and_leaves_no_file(tmp_path: Path) -> None:
    script = "from hub import Runtime; r = Runtime().start(); print(r.emit('signal.x', 'a b').token_id)"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=30,
        check=False,
        env={"PYTHONPATH": root},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert list(tmp_path.iterdir()) == []


def test_matches_of_nothing_are_empty() -> None:
    assert (list(Matches([])), repr(Matches([]))) == ([], "<Matches 0: >")
