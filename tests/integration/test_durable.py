"""Durable logs of a hub that is killed: nothing that was acknowledged or seen is lost, and no place is given twice."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.process import HubProcess, command, environment

CONFIG = """
[channels.actions.retention]
durable = true

[channels.signals.retention]
durable = true

[channels."room:*"]
broadcast = ["admin"]
subscribe = ["admin"]
retention = { durable = true }
"""
WIDE = {"NG_RATE_PUBLISH": "1000000/1000000", "NG_RATE_EMIT": "1000000/1000000"}
PATIENCE = 30.0


def start(directory: Path, text: str = CONFIG, **variables: str) -> HubProcess:
    config = directory / "hub.toml"
    config.write_text(text)
    return HubProcess(
        directory,
        "--port",
        "0",
        **{"NG_CONFIG": str(config), "NG_DATA_DIR": str(directory / "data"), **WIDE, **variables},
    )


def entries(hub: HubProcess, channel: str) -> tuple[str, list[dict[str, Any]]]:
    """(epoch, entries) of a channel, by its history."""
    bearer = {"Authorization": f"Bearer {hub.tokens['admin']}"}
    url = f"{hub.http_url}/api/v1/channels/{channel}"
    found: list[dict[str, Any]] = []
    position = httpx.get(url, headers=bearer).json()["data"]["position"]
    epoch, head = position.split(":")
    while len(found) < int(head):
        query: dict[str, Any] = {"from": f"{epoch}:{len(found)}", "limit": 1_000}
        found += httpx.get(url, headers=bearer, params=query).json()["data"]["events"]
    return epoch, found


class Load:
    """One connection that publishes as fast as answers come, and one that follows; both end when the hub does."""

    def __init__(self, hub: HubProcess, least: int) -> None:
        url = f"ws://127.0.0.1:{hub.port}/ws?token={hub.tokens['admin']}"
        self.acks: dict[int, str] = {}
        self.seen: dict[str, Any] = {}
        self.enough = threading.Event()
        self._room = threading.Semaphore(200)  # below L14
        self._least = least
        self._stack = contextlib.ExitStack()
        self._publisher, self._follower = (self._stack.enter_context(connect(url)) for _ in range(2))
        self._follower.send(json.dumps({"type": "subscribe", "id": 1, "channels": ["actions"]}))
        self._wait_for(self._follower, "subscribed")
        self._threads = [threading.Thread(target=work) for work in (self._send, self._receive, self._follow)]
        for thread in self._threads:
            thread.start()

    def _wait_for(self, one: ClientConnection, kind: str) -> None:
        while json.loads(one.recv(PATIENCE))["type"] != kind:
            pass

    def _send(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            for number in range(1_000_000):
                self._room.acquire(timeout=PATIENCE)
                self._publisher.send(
                    json.dumps(
                        {
                            "type": "publish",
                            "id": number,
                            "channel": "actions",
                            "event": "e",
                            "data": number,
                            "mid": f"m{number}",
                        }
                    )
                )

    def _receive(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            for text in self._publisher:
                message = json.loads(text)
                if message["type"] == "ack":
                    self.acks[message["id"]] = message["positions"]["actions"]
                    self._room.release()
                    if len(self.acks) >= self._least:
                        self.enough.set()

    def _follow(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            for text in self._follower:
                message = json.loads(text)
                if message["type"] == "event":
                    self.seen[message["offset"]] = message["data"]

    def end(self) -> None:
        self._room.release(1_000)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._stack.close()


@pytest.mark.clause("M30", "M31", "P1")
@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
def test_a_kill_under_load_loses_nothing_that_was_acknowledged_or_seen(tmp_path: Path, fsync: str) -> None:
    with start(tmp_path, NG_FSYNC=fsync) as hub:
        load = Load(hub, 500)
        assert load.enough.wait(PATIENCE)
        assert hub.end(signal.SIGKILL) == -signal.SIGKILL
        load.end()
    assert len(load.acks) >= 500
    with start(tmp_path, NG_FSYNC=fsync) as hub:
        epoch, found = entries(hub, "actions")
        places = {f"{epoch}:{entry['offset']}": entry["data"] for entry in found}
        assert {number: places.get(position) for number, position in load.acks.items()} == {n: n for n in load.acks}
        assert {offset: places[f"{epoch}:{offset}"] for offset in load.seen} == load.seen
        # The `mid`s of before count, and what was not acknowledged may be sent again without being there twice.
        again = httpx.post(
            f"{hub.http_url}/api/v1/publish",
            headers={"Authorization": f"Bearer {hub.tokens['admin']}"},
            json=[{"channel": "actions", "event": "e", "data": n, "mid": f"m{n}"} for n in range(200)],
        ).json()["data"]["results"]
        assert {n: (one["position"], one["duplicate"]) for n, one in enumerate(again)} == {
            n: (load.acks[n], True) for n in range(200)
        }


def newest_segment(directory: Path) -> Path:
    return max((directory / "data" / "logs" / "actions").glob("*.log"))


def cut(segment: Path) -> None:
    os.truncate(segment, segment.stat().st_size - 7)


def empty(segment: Path) -> None:
    os.truncate(segment, 0)


@pytest.mark.clause("P1", "P10")
@pytest.mark.parametrize("harm", [cut, Path.unlink, empty])
def test_a_newest_segment_that_lost_what_was_seen_ends_the_epoch(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    event = {"channel": "actions", "event": "e"}
    with start(tmp_path) as hub:
        bearer = {"Authorization": f"Bearer {hub.tokens['admin']}"}
        batch = [{**event, "data": n} for n in range(10)]
        results = httpx.post(f"{hub.http_url}/api/v1/publish", headers=bearer, json=batch).json()["data"]["results"]
        seen = results[-1]["position"]
        assert hub.end(signal.SIGKILL) == -signal.SIGKILL
    harm(newest_segment(tmp_path))
    with start(tmp_path) as hub:
        bearer = {"Authorization": f"Bearer {hub.tokens['admin']}"}
        after = {**event, "data": "after"}
        placed = httpx.post(f"{hub.http_url}/api/v1/publish", headers=bearer, json=after).json()["data"]["position"]
        assert placed.split(":")[0] != seen.split(":")[0]
        with connect(f"ws://127.0.0.1:{hub.port}/ws?token={hub.tokens['admin']}") as client:
            resume = {"type": "subscribe", "id": 1, "channels": ["actions"], "from": {"positions": {"actions": seen}}}
            client.send(json.dumps(resume))
            told = next(one for one in iter(lambda: json.loads(client.recv(PATIENCE)), None) if one["type"] == "gap")
        assert (told["channel"], told["from"], told["reason"]) == ("actions", seen, "epoch")
        assert told["to"].split(":")[0] == placed.split(":")[0]
        page = httpx.get(f"{hub.http_url}/metrics", headers=bearer).text
        assert 'neurograph_ws_epoch_rotations_total{channel="",reason="damage"} 1' in page
    assert "the log of actions begins another epoch (damage): " in hub.errors.read_text()


@pytest.mark.clause("P1", "P10")
def test_rooms_and_epochs_stay_across_a_clean_end_and_a_kill(tmp_path: Path) -> None:
    places = []
    for end in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        with start(tmp_path) as hub:
            bearer = {"Authorization": f"Bearer {hub.tokens['admin']}"}
            event = {"channel": "room:A/1", "event": "e", "data": 1}
            stored = httpx.post(f"{hub.http_url}/api/v1/publish", headers=bearer, json=event).json()["data"]
            places.append(stored["position"].split(":"))
            hub.end(end)
    assert [place[1] for place in places] == ["1", "2", "3"]
    assert len({place[0] for place in places}) == 1


@pytest.mark.clause("P1", "P10", "I6")
@pytest.mark.parametrize("is_another_durable", [True, False])
def test_what_was_taken_while_a_channel_was_not_durable_is_not_passed_over(
    tmp_path: Path, *, is_another_durable: bool
) -> None:
    without = CONFIG.replace("durable = true", "durable = false")
    if is_another_durable:
        without += "[channels.logs.retention]\ndurable = true\n"
    places: dict[str, list[list[str]]] = {"room:A": [], "actions": []}
    for text in (CONFIG, without, CONFIG):
        with start(tmp_path, text) as hub:
            bearer = {"Authorization": f"Bearer {hub.tokens['admin']}"}
            for channel, found in places.items():
                event = {"channel": channel, "event": "e", "data": len(found)}
                stored = httpx.post(f"{hub.http_url}/api/v1/publish", headers=bearer, json=event).json()["data"]
                found.append(stored["position"].split(":"))
            if text is without:
                assert "is not durable now" in hub.errors.read_text()
            hub.end(signal.SIGKILL)
    assert [len({epoch for epoch, _ in found}) for found in places.values()] == [3, 3]
    assert [offset for _, offset in places["room:A"]] == ["1", "1", "2"]


def test_a_second_hub_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with start(tmp_path):
        second = subprocess.run(
            command("--port", "0"),
            cwd=tmp_path,
            env=environment(NG_DATA_DIR=str(tmp_path / "data")),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert second.returncode != 0
    assert "NG_DATA_DIR: expected a directory for this hub alone" in second.stderr
    assert "another hub works with it" in second.stderr
    assert "Traceback" not in second.stderr


def test_check_looks_at_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    checked = [
        subprocess.run(
            command("check", "--port", "0"),
            cwd=tmp_path,
            env=environment(NG_DATA_DIR=str(tmp_path / name)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        for name in ("data", "file")
    ]
    assert [one.returncode == 0 for one in checked] == [True, False]
    assert f"data       ok, {tmp_path / 'data'}: durable nothing" in checked[0].stdout
    assert "cannot be used" in checked[1].stderr
    assert "Traceback" not in checked[1].stderr


@pytest.mark.clause("P1")
def test_files_of_another_channel_are_refused_and_what_to_do_is_said(tmp_path: Path) -> None:
    with start(tmp_path) as hub:
        bearer = {"Authorization": f"Bearer {hub.tokens['admin']}"}
        httpx.post(
            f"{hub.http_url}/api/v1/publish", headers=bearer, json={"channel": "room:A", "event": "e", "data": 1}
        )
        hub.end()
    logs = tmp_path / "data" / "logs"
    other = logs / "room%3Aother"
    shutil.copytree(logs / "room%3A%41", other)
    variables = {"NG_CONFIG": str(tmp_path / "hub.toml"), "NG_DATA_DIR": str(tmp_path / "data")}
    for arguments in ((), ("check",)):
        refused = subprocess.run(
            command(*arguments, "--port", "0"),
            cwd=tmp_path,
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert refused.returncode == 2
        (line,) = refused.stderr.splitlines()
        assert line.startswith("neurograph-hub: NG_DATA_DIR: ")
        assert str(other) in line
        assert "channel room:other was expected, its files are those of room:A: move the directory back" in line
    shutil.rmtree(other)
    with start(tmp_path) as hub:
        hub.end()


def test_what_is_durable_is_shown(tmp_path: Path) -> None:
    with start(tmp_path) as hub:
        bearer = {"Authorization": f"Bearer {hub.tokens['admin']}"}
        event = {"channel": "actions", "event": "e", "data": 1}
        httpx.post(f"{hub.http_url}/api/v1/publish", headers=bearer, json=event)
        listed = httpx.get(f"{hub.http_url}/api/v1/channels", headers=bearer).json()["data"]["channels"]
        logs = {one["name"]: one["log"] for one in listed}
        assert (logs["actions"], logs["logs"]) == ("durable", "memory")
        assert httpx.get(f"{hub.http_url}/api/v1/status", headers=bearer).json()["data"]["log"] == "durable"
        page = httpx.get(f"{hub.http_url}/metrics", headers=bearer).text
        figures = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        assert float(figures["neurograph_ws_durable_records_total"]) >= 1
        assert float(figures["neurograph_ws_durable_bytes"]) > 50
        assert float(figures['neurograph_ws_epoch_rotations_total{channel="",reason="power_loss"}']) == 0
