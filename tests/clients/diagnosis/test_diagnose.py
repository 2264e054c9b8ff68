"""`diagnose()`: the walk of `ng-ws doctor` (tests/cli/doctor), asked for by a client about its own hub."""

import secrets
import zlib
from typing import Any

import pytest
from neurograph_ws_client import NeurographWSClient, SyncClient
from neurograph_ws_client.diagnosis import Cause, Verdict
from neurograph_ws_client.testing import FakeHub

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
