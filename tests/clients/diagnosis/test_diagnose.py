"""`diagnose()`: the walk of `ng-ws doctor` (tests/cli/doctor), asked for by a client about its own hub."""

import asyncio
import secrets
import time
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from neurograph_ws_client import NeurographWSClient, SyncClient
from neurograph_ws_client.diagnosis import Cause, Diagnosis, Finding, Target, Verdict, walk
from neurograph_ws_client.testing import FakeHub

from tests.cli.doctor.scripted import answering, http, server
from tests.clients.support import away_and_back, client_of
from tests.support.hub import RunningHub


async def test_a_hub_that_is_in_order_is_told_by_a_sentence_each() -> None:
    with RunningHub() as hub:
        client = NeurographWSClient(hub.url, token=hub.token("developer", "ann"))
        found = await client.diagnose(idle=0.05)
        assert (found.is_good, found.failed, found.summary) == (True, None, "16 checks, all in order")
        checks = "url proxy dns tcp token upgrade subprotocol deflate login version rights ping clock large idle rest"
        assert [one.check for one in found] == checks.split()
        assert str(found).splitlines()[0].startswith("ok    url         ws://127.0.0.1:")
        assert "permessage-deflate is agreed" in str(found)
        with SyncClient(hub.url, compression=False) as sync:
            assert "deflate" not in {one.check for one in sync.diagnose()}


async def test_what_is_wrong_is_told_with_the_next_thing_to_try_and_does_not_raise() -> None:
    found = await NeurographWSClient("ws://127.0.0.1:1/ws").diagnose()
    assert found.failed is not None
    assert (found.is_good, found.failed.check, found.failed.cause) == (False, "tcp", Cause.CONNECT)
    assert found.summary.startswith("tcp: 127.0.0.1:1: connection refused; next: start a hub with make run")


async def test_the_credential_is_that_of_the_client_and_is_not_shown() -> None:
    secret = secrets.token_urlsafe(20)
    async with FakeHub(tokens={secret: "viewer"}) as hub:
        for token in (secret, lambda request: secret):
            found = await NeurographWSClient(hub.url, token=token).diagnose()
            assert found.is_good
            assert secret not in str(found) + repr(found)
        found = await NeurographWSClient(hub.url, token="bad").diagnose()
        assert found.failed is not None
        assert (found.failed.check, found.failed.cause) == ("login", Cause.LOGIN)


async def test_a_connection_that_was_lost_before_is_told() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        assert "survival" not in {one.check for one in await client.diagnose()}
        await away_and_back(hub, client)
        last = (await client.diagnose()).findings[-1]
        assert (last.check, last.verdict) == ("survival", Verdict.WARN)
        assert "was lost once" in last.text


async def test_the_large_frame_is_large_on_the_wire_too() -> None:
    async with FakeHub() as hub:
        await NeurographWSClient(hub.url).diagnose()
        large: Any = next(message for message in hub.received if message.get("t") == "large")
        assert len(zlib.compress(large["padding"].encode())) > 40_000


@pytest.mark.parametrize("proxy", ["http://user:pw@127.0.0.9:1", None])
async def test_the_proxy_of_the_client_is_the_one_that_is_examined(proxy: Any) -> None:
    found = await NeurographWSClient("ws://no-such-host.invalid/ws", proxy=proxy).diagnose()
    told = next(one.text for one in found if one.check == "proxy")
    assert told.startswith("none, as was asked for" if proxy is None else "through http://***@127.0.0.9:1")


def by_check(found: Diagnosis) -> Mapping[str, Finding]:
    return {one.check: one for one in found}


async def test_behind_a_proxy_it_is_the_proxy_that_is_resolved_and_knocked_at() -> None:
    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        if not asked[-1].startswith(b"CONNECT"):
            writer.write(http("502 Bad Gateway"))
            return
        beyond = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2].partition("/")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pipe(reader, beyond[1]), pipe(beyond[0], writer))

    asked: list[bytes] = []
    async with FakeHub() as hub, server(tunnel) as port:
        client = NeurographWSClient("ws://no-such-host.invalid/ws", proxy=f"http://127.0.0.1:{port}")
        found = await client.diagnose()
    assert found.is_good, str(found)
    checks = by_check(found)
    assert checks["dns"].text == "the proxy 127.0.0.1 is 127.0.0.1"
    assert checks["tcp"].text.startswith(f"port {port} of the proxy is open")
    assert b"CONNECT no-such-host.invalid:80 HTTP/1.1" in asked
    assert asked[-1].startswith(b"GET http://no-such-host.invalid/api/v1/status")


async def test_tls_behind_a_proxy_is_left_to_the_upgrade_and_a_proxy_that_refuses_is_told() -> None:
    url = "wss://no-such-host.invalid/ws"
    async with server(answering(http("403 Forbidden"))) as port:
        found = await NeurographWSClient(url, proxy=f"http://127.0.0.1:{port}").diagnose()
    assert "behind a proxy" in by_check(found)["tls"].text
    assert found.failed is not None
    assert (found.failed.check, found.failed.text.partition(":")[0]) == ("upgrade", "the proxy does not let it pass")
    found = await NeurographWSClient(url, proxy="http://127.0.0.1:1").diagnose()
    assert found.failed is not None
    assert found.failed.text == "the proxy 127.0.0.1:1: connection refused"
    found = await NeurographWSClient(url, proxy="http://").diagnose()
    assert found.failed is not None
    assert (found.failed.check, found.failed.cause) == ("proxy", Cause.USAGE)


@pytest.mark.parametrize("channels", [["logs"], {"logs": ["subscribe"]}, {"logs": {"rights": 5}}, 7])
async def test_a_welcome_that_is_odd_is_told(channels: Any) -> None:
    async with FakeHub(welcome={"channels": channels, "expires_in": float("inf")}) as hub:
        found = by_check(await NeurographWSClient(hub.url).diagnose())
    assert found["rights"].verdict is Verdict.WARN
    assert "expected channels with their rights in the welcome" in found["rights"].text


@pytest.mark.parametrize("raw", [b"{", b"[" * 100_000])
@pytest.mark.parametrize(("check", "answered"), [("ping", 0), ("large", 5)])
async def test_what_is_no_message_is_told(check: str, answered: int, raw: bytes) -> None:
    async with FakeHub() as hub:
        for _ in range(answered):
            hub.answer_next("ping", {"type": "pong", "ts": time.time()})
        hub.answer_next("ping", {})
        examining = asyncio.ensure_future(NeurographWSClient(hub.url).diagnose())
        await hub.asked("ping", answered + 1)
        hub.push_raw(raw)
        found = await examining
    assert found.failed is not None
    assert found.failed.check == check
    assert "came what is none" in found.failed.text


async def test_a_clock_that_no_number_tells_is_passed_over() -> None:
    async with FakeHub() as hub:
        for ts in (10**400, float("nan"), True, "now", None):
            hub.answer_next("ping", {"type": "pong", "ts": ts})
        assert (await NeurographWSClient(hub.url).diagnose()).is_good


async def test_a_wrong_clock_fails_and_the_walk_goes_on() -> None:
    async with FakeHub() as hub:
        for _ in range(5):
            hub.answer_next("ping", {"type": "pong", "ts": time.time() - 3600})
        found = await NeurographWSClient(hub.url).diagnose()
    assert found.failed is not None
    assert found.failed.check == "clock"
    assert [one.check for one in found][-3:] == ["clock", "large", "rest"]


async def test_sources_of_the_application_that_raise_are_told() -> None:
    def fails(*args: Any) -> Any:
        raise RuntimeError("the vault is sealed")

    for found, check, cause in (
        (await NeurographWSClient(fails).diagnose(), "url", Cause.USAGE),
        (await NeurographWSClient(lambda: "http://x").diagnose(), "url", Cause.USAGE),
        (await NeurographWSClient("ws://127.0.0.1:1/ws", token=fails).diagnose(), "token", Cause.LOGIN),
    ):
        assert found.failed is not None
        assert (found.failed.check, found.failed.cause) == (check, cause)


@pytest.mark.parametrize(
    ("url", "check"), [("ws://[::1", "url"), ("http://[", "url"), (f"ws://{'a' * 70}.invalid/ws", "dns")]
)
async def test_an_address_that_cannot_be_read_is_told(url: str, check: str) -> None:
    found = [one async for one in walk(Target(url))]
    assert (found[-1].check, found[-1].verdict) == (check, Verdict.FAIL)
