"""The examples that stand in other people's programs: FastAPI, Telegram, a hub inside the process."""

import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest
from neurograph_ws_client import NeurographWSClient

from tests.support.hub import RunningHub

EXAMPLES = Path(__file__).parents[2] / "examples"
SOON = 20.0


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    running = await asyncio.to_thread(RunningHub.start, metrics_interval=0.2)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.stop)


def example(name: str) -> ModuleType:
    """A program as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


async def output(name: str, *arguments: str, **variables: str) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of a program run to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / f"{name}.py"), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(EXAMPLES.parent), **variables},
    )
    async with asyncio.timeout(SOON):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.accept("J1", "J2")
async def test_a_program_with_a_hub_inside_finds_what_is_like_and_is_followed() -> None:
    code, out, err = await output("embedded", "disk failing on db4")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].startswith("running at ws://127.0.0.1:")
    assert [line.split()[2] for line in lines[1:6]] == ["new", "known", "new", "new", "new"]
    assert [line[:5] for line in lines[6:8]] == ["1.000", "1.000"]
    assert lines[9:] == ["a client saw tokens 1, 2, 3, 4, 5", "stopped"]


class FakeApi:
    """Telegram as the handlers see it: an update has a user and a message that can be answered."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def update(self, text: str | None, user: int | None = 7) -> Any:
        who = None if user is None else SimpleNamespace(id=user)
        return SimpleNamespace(effective_user=who, effective_message=SimpleNamespace(text=text, reply_text=self.reply))

    async def reply(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.accept("J7", "O10")
async def test_the_telegram_bot_says_what_is_new_and_tells_nobody_who_wrote_what(hub: RunningHub) -> None:
    module, api = example("telegram_bot_with_core"), FakeApi()
    async with NeurographWSClient(hub.url, token=hub.token("bot")) as client:
        signals = client.subscribe("signals")
        await signals
        bot = module.CoreBot(client, "123:secret")
        assert list(bot.handlers) == ["start", "stats", "core", "test"]
        await bot.start(api.update("/start"), None)
        for user, text in ((7, "disk failing on db4"), (7, "Disk failing on DB4!"), (8, "login refused for ann")):
            await bot.text(api.update(text, user), None)
        await bot.text(api.update(None), None)
        await bot.text(api.update("   "), None)
        await bot.test(api.update("/test", None), None)
        await bot.stats(api.update("/stats"), None)
        assert api.said == [
            module.HELLO,
            "New: nothing like it was here before (token 1).",
            "Known: token 2, near 1 (0.000).",
            "New: nothing like it was here before (token 3).",
            "New: nothing like it was here before (token 4).",
            "4 messages, 3 new, 0 failed; hub connected",
        ]
        events = [await signals.next(timeout=5) for _ in range(4)]
        users = [event.tags["user"] for event in events]
        assert (users[0] == users[1], len(set(users)), {len(user) for user in users}) == (True, 3, {16})
        assert users[0] != module.CoreBot(client, "456:other").hashed(SimpleNamespace(id=7))
        told = json.dumps([event.message for event in events])
        assert [word for word in ("disk", "login", '"7"', '"8"') if word in told.lower()] == []


class Figures(dict[str, Any]):
    """Says when there are some."""

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()

    def update(self, *args: Any, **kwargs: Any) -> None:
        super().update(*args, **kwargs)
        self.came.set()


@pytest.mark.accept("J7")
async def test_the_telegram_bot_tells_of_the_core_and_of_a_hub_that_is_away(
    hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    module, api = example("telegram_bot_with_core"), FakeApi()
    async with NeurographWSClient(hub.url, token=hub.token("bot")) as client:
        bot = module.CoreBot(client, "123:secret")
        await bot.core(api.update("/core"), None)
        bot._core = Figures()
        bot.follow()
        async with asyncio.timeout(SOON):
            await bot._core.came.wait()
        await bot.core(api.update("/core"), None)
    await bot.text(api.update("hello"), None)
    await bot.stats(api.update("/stats"), None)
    assert api.said[0] == "no figures yet"
    assert "total_tokens 0" in api.said[1].splitlines()
    assert api.said[2:] == [
        "The hub does not answer; try again later.",
        "0 messages, 0 new, 1 failed; hub closed",
    ]
    assert capsys.readouterr().err.startswith("not emitted: ")


@pytest.mark.accept("J7", "O10")
@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "expected TELEGRAM_BOT_TOKEN (of BotFather) and NG_TOKEN"),
        (
            {"TELEGRAM_BOT_TOKEN": "1:x", "NG_TOKEN": "x"},
            "telegram is not installed: pip install 'python-telegram-bot>=20'",
        ),
    ],
)
async def test_the_telegram_bot_says_what_it_needs(variables: dict[str, str], told: str) -> None:
    if variables and importlib.util.find_spec("telegram") is not None:
        pytest.skip("python-telegram-bot is installed")
    code, out, err = await output("telegram_bot_with_core", **variables)
    assert (code, out) == (1, "")
    assert told in err


async def test_a_fastapi_application_publishes_what_it_stored_and_says_when_it_could_not(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    monkeypatch.setenv("NG_URL", hub.url)
    monkeypatch.setenv("NG_TOKEN", hub.token("admin"))
    app = example("fastapi_app").app
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
        placed = await http.post("/orders", json={"item": "tea", "count": 2})
        assert (placed.status_code, placed.json()["order"]) == (201, {"item": "tea", "count": 2})
        assert (await http.post("/orders", json={"item": ""})).status_code == 422
        assert (await http.get("/health")).json()["hub"] == "connected"
        [event] = await app.state.hub.history("actions")
        assert (event.event, event.key, event.data, event.position) == (
            "order.placed", "tea", {"item": "tea", "count": 2}, placed.json()["position"],
        )  # fmt: skip
        await app.state.hub.close()
        refused = await http.post("/orders", json={"item": "tea"})
        assert refused.status_code in {502, 503}
    monkeypatch.setenv("NG_TOKEN", hub.token("viewer"))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
        refused = await http.post("/orders", json={"item": "tea"})
        assert (refused.status_code, "403" in refused.json()["detail"]) == (502, True)
