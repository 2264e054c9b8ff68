"""How the hub runs: under TLS, embedded, after a start that failed (acceptance C15, H8)."""

import asyncio
import json
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from channels.broker import Broker
from hub import server
from hub.app import create_app
from hub.config import Settings
from hub.hub import Hub
from tests.support.hub import RunningHub
from tests.support.tls import write_certificate


@pytest.mark.accept("C15")
def test_under_tls_rest_and_websockets_are_served(tmp_path: Path) -> None:
    pem = write_certificate(tmp_path / "both.pem")
    trusting = ssl.create_default_context(cafile=pem)
    with RunningHub(tls_cert=pem, tls_key=pem) as hub:
        assert httpx.get(f"https://{hub.authority}/health", verify=trusting).json() == {"status": "ok"}
        with connect(f"wss://{hub.authority}/ws", ssl=trusting) as ws:
            assert json.loads(ws.recv(10))["type"] == "welcome"
            ws.send('{"type":"ping","t":1}')
            assert json.loads(ws.recv(10))["t"] == 1
            (client,) = hub.call(lambda one: one.connections.snapshot())
            assert client["relayed"] is True


@pytest.mark.accept("H8")
async def test_the_application_is_an_asgi_app_with_a_lifespan() -> None:
    app = create_app(Settings(dev_file=None, port=0))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/health/ready")).json() == {"status": "ok"}
            assert (await client.get("/api/v1/status")).json()["data"]["state"] == "ready"


def test_a_start_that_fails_is_told_and_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []

    async def fail(self: Broker) -> None:
        raise OSError("no log today")

    stop = Hub.stop

    async def note(self: Hub) -> None:
        await stop(self)
        stopped.append(self)

    monkeypatch.setattr(Broker, "start", fail)
    monkeypatch.setattr(Hub, "stop", note)
    with pytest.raises(SystemExit):
        RunningHub.start()
    assert len(stopped) == 1


def test_a_directory_that_cannot_be_written_costs_the_file_not_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with RunningHub(dev_file=tmp_path / "file" / "dev.json") as hub:
        assert list(hub.hub.tokens) == ["admin", "developer", "viewer", "bot"]
        hub.call(lambda one: one.log_channel.flush())
        events = hub.call(lambda one: one.broker.history("logs"))
        assert any(json.loads(event)["event"] == "development.not_kept" for event in events)


def test_a_lost_native_part_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """pr1: live 503, exit; never a hang."""
    monkeypatch.setattr("hub.hub.TICK", 0.05)
    running = RunningHub.start()
    running.call(lambda one: setattr(one.connections, "failure", "an I/O thread is lost"))
    assert running.has_ended(within=10)
    running.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), 1)


def test_without_uvloop_the_loop_is_asyncios(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvloop

    assert server.loop_factory() is uvloop.new_event_loop
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    assert server.loop_factory() is asyncio.new_event_loop
