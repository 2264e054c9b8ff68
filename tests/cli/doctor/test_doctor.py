"""`ng-ws doctor`: what a user can have wrong, each against a server that is wrong in that way."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client.diagnosis import Target, Verdict
from neurograph_ws_client.diagnosis.walk import _software as rest_of
from neurograph_ws_client.testing import FakeHub

from tests.cli.doctor.scripted import answering, http, server
from tests.support.hub import RunningHub
from tests.support.program import run

UPGRADE = "next: the proxy or balancer must pass Upgrade and Connection on"


def jwt(**claims: Any) -> str:
    def part(value: Mapping[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256'})}.{part({'sub': 'ann', 'role': 'viewer', **claims})}.c2ln"


async def examined(
    url: str, *options: str, patience: str = "20", **environ: str
) -> tuple[int, dict[str, dict[str, str]], str]:
    """Exit code, findings by check (the last of each), stderr."""
    code, out, err = await run("doctor", url, *options, "--timeout", patience, among=environ)
    assert "Traceback" not in err
    return code, {found["check"]: found for found in map(json.loads, out.splitlines())}, err


@pytest.mark.accept("G19")
async def test_a_real_hub_is_in_order_from_the_url_to_rest() -> None:
    with RunningHub() as hub:
        code, found, err = await examined(hub.url, NG_TOKEN=hub.token("developer", "ann"))
    assert (code, {one["verdict"] for one in found.values()}) == (0, {"ok"})
    names = "url proxy dns tcp token upgrade subprotocol deflate login version rights ping clock large rest"
    assert list(found) == names.split()
    assert found["login"]["text"].startswith("ann, role developer")
    assert "emit on signals" in found["rights"]["text"]
    assert "15 checks, all in order" in err


@pytest.mark.parametrize(
    ("url", "text", "hint"),
    [
        ("http://localhost:8000", "expected one like ws://localhost:8000/ws", "next: the URL ws://localhost:8000/ws"),
        ("https://hub.example/ws", "expected one like", "next: the URL wss://hub.example/ws"),
        ("localhost:8000", "expected one like", "next: the URL ws://HOST:8000/ws, or wss://HOST/ws behind TLS"),
        ("ws://localhost:99999/ws", "expected one like", "next: the URL ws://HOST:8000/ws"),
    ],
)
async def test_a_url_that_is_none_is_told_with_one_that_is(url: str, text: str, hint: str) -> None:
    code, found, _ = await examined(url)
    assert (code, list(found), found["url"]["verdict"]) == (2, ["url"], "fail")
    assert text in found["url"]["text"]
    assert found["url"]["hint"].startswith(hint)


async def test_a_name_that_does_not_exist_is_told() -> None:
    code, found, _ = await examined("ws://no-such-host.invalid/ws")
    assert (code, found["dns"]["verdict"]) == (5, "fail")
    assert "no-such-host.invalid has no address" in found["dns"]["text"]
    assert "tcp" not in found


async def test_nobody_who_listens_is_told() -> None:
    code, found, _ = await examined("ws://127.0.0.1:1/ws")
    assert (code, found["tcp"]["text"]) == (5, "127.0.0.1:1: connection refused")
    assert "start a hub" in found["tcp"]["hint"]


async def test_a_proxy_of_the_environment_is_told_but_not_for_this_machine() -> None:
    _, found, _ = await examined("ws://no-such-host.invalid/ws", HTTP_PROXY="http://user:pw@proxy.example:3128")
    assert found["proxy"]["verdict"] == "warn"
    assert "HTTP_PROXY sends it through http://***@proxy.example:3128" in found["proxy"]["text"]
    assert "NO_PROXY=no-such-host.invalid" in found["proxy"]["hint"]
    _, found, _ = await examined("ws://127.0.0.1:1/ws", HTTP_PROXY="http://proxy.example:3128")
    assert found["proxy"]["verdict"] == "ok"


async def test_credentials_in_the_url_and_in_clear_are_warned_of() -> None:
    code, out, _ = await run("doctor", "ws://no-such-host.invalid/ws?token=sesame", "--format", "pretty")
    assert code == 5
    assert "a credential stands in the URL" in out
    assert "ws:// sends the token in clear" in out
    assert "sesame" not in out
    _, out, _ = await run("doctor", "ws://no-such-host.invalid", "--format", "pretty")
    assert "the path is /, hubs listen at /ws" in out


async def test_tls_where_there_is_none_is_told_with_the_url_that_works() -> None:
    async with FakeHub() as hub:
        url = hub.url
        code, found, _ = await examined(url.replace("ws:", "wss:"))
    assert (code, found["tls"]["verdict"]) == (5, "fail")
    assert f"try {url}" in found["tls"]["text"]


async def test_a_certificate_nobody_vouches_for_is_told_and_insecure_takes_it(tmp_path: Path) -> None:
    async with server(answering(http("404 Not Found")), tmp_path / "own.pem") as port:
        code, found, _ = await examined(f"wss://127.0.0.1:{port}/ws")
        assert (code, found["tls"]["verdict"]) == (5, "fail")
        assert "the certificate is not trusted" in found["tls"]["text"]
        assert "SSL_CERT_FILE" in found["tls"]["hint"]
        _, found, _ = await examined(f"wss://127.0.0.1:{port}/ws", "--insecure")
        assert found["tls"]["verdict"] == "warn"
        trusted = {"SSL_CERT_FILE": str(tmp_path / "own.pem")}
        _, found, _ = await examined(f"wss://127.0.0.1:{port}/ws", **trusted)
        assert (found["tls"]["verdict"], "ends in" in found["tls"]["text"]) == ("warn", True)
    async with server(answering(http("404 Not Found")), tmp_path / "own.pem", "127.0.0.2") as port:
        code, found, _ = await examined(f"wss://127.0.0.2:{port}/ws", **trusted)
        assert (code, "the certificate is for another name" in found["tls"]["text"]) == (5, True)


@pytest.mark.parametrize(
    ("claims", "verdict", "text"),
    [
        ({"exp": -3600}, "fail", "ann, role viewer: expired"),
        ({"exp": 7200, "nbf": 3600}, "fail", "not valid for another"),
        ({"exp": 100}, "warn", "good for"),
        ({}, "warn", "it lacks exp, which a hub asks for"),
        ({"exp": 5400}, "ok", "good for 90 min"),
    ],
)
async def test_a_token_is_judged_before_it_is_sent(claims: dict[str, float], verdict: str, text: str) -> None:
    token = jwt(**{name: time.time() + value + 1 for name, value in claims.items()})
    async with FakeHub(tokens={token: "viewer"}) as hub:
        code, found, _ = await examined(hub.url, NG_TOKEN=token)
    assert (found["token"]["verdict"], text in found["token"]["text"]) == (verdict, True)
    assert (code, "upgrade" in found) == ((3, False) if verdict == "fail" else (0, True))


@pytest.mark.parametrize(
    ("answer", "code", "text", "hint"),
    [
        (http("200 OK", body="<html>"), 5, "200 OK: the request arrived without its Upgrade header", UPGRADE),
        (http("426 Upgrade Required"), 5, "arrived without its Upgrade header", UPGRADE),
        (http("404 Not Found"), 5, "404 Not Found at /x", "next: hubs listen at /ws"),
        (http("301 Moved", "Location: https://h.example/ws"), 5, "elsewhere", "next: the URL wss://h.example/ws"),
        (
            http("400 Bad Request", body="Host: expected a name of this hub"),
            5,
            "Host: expected",
            "next: let the hub know",
        ),
        (http("401 Unauthorized"), 3, "a proxy before the hub wants a login", "next: ask who runs the proxy"),
        (http("403 Forbidden"), 4, "403 Forbidden", "next: the hub or a proxy refuses this address"),
        (http("429 Too Many", "Retry-After: 7"), 7, "too many handshakes", "next: again in 7 s"),
        (http("502 Bad Gateway"), 5, "the proxy does not reach the hub", "next: is the hub up"),
        (http("503 Unavailable", "Retry-After: 5"), 5, "the hub is full, draining", "next: again in 5 s"),
        (http("101 Switching Protocols"), 5, "the answer is no upgrade", UPGRADE),
        (b"SSH-2.0-OpenSSH_9.6\r\n", 5, "does not speak HTTP", "next: look at the port"),
        (b"", 5, "does not speak HTTP", "next: look at the port"),
    ],
)
async def test_an_upgrade_that_is_refused_is_told_with_what_refused_it(
    answer: bytes, code: int, text: str, hint: str
) -> None:
    async with server(answering(answer)) as port:
        ended, found, _ = await examined(f"ws://127.0.0.1:{port}/x")
    assert (ended, found["upgrade"]["verdict"]) == (code, "fail")
    assert text in found["upgrade"]["text"]
    assert found["upgrade"]["hint"].startswith(hint)


async def test_an_upgrade_that_is_never_answered_is_told() -> None:
    async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(mute) as port:
        code, found, _ = await examined(f"ws://127.0.0.1:{port}/ws", patience="0.3")
    assert (code, found["upgrade"]["text"]) == (6, "no answer to the upgrade within 0.3 s")


@pytest.mark.clause("C12")
async def test_a_page_of_another_origin_is_refused_and_its_setting_named() -> None:
    with RunningHub(origins=("https://app.example",)) as hub:
        code, found, _ = await examined(hub.url, "--origin", "https://app.example")
        assert (code, found["origin"]["text"]) == (0, "https://app.example may connect")
        code, found, _ = await examined(hub.url, "--origin", "https://evil.example")
    assert (code, found["origin"]["verdict"]) == (4, "fail")
    assert found["origin"]["hint"] == "next: NG_ORIGINS=https://evil.example at the hub"


async def test_a_hub_that_refuses_the_login_is_told_by_its_close_code() -> None:
    with RunningHub() as hub:
        code, found, _ = await examined(hub.url, NG_TOKEN="nonsense")
        assert (code, found["login"]["text"].startswith("refused: 4101 token_invalid")) == (3, True)
    with RunningHub(anonymous=False) as hub:
        code, found, _ = await examined(hub.url, patience="1")
        assert (code, "this hub wants a token" in found["login"]["text"]) == (3, True)


async def test_a_proxy_that_upgrades_and_then_is_silent_is_told() -> None:
    async with FakeHub() as hub:
        hub.is_mute = True
        code, found, _ = await examined(hub.url, patience="0.5", NG_TOKEN="key")
    assert (code, found["login"]["verdict"]) == (6, "fail")
    assert "no welcome within 0.5 s" in found["login"]["text"]


async def test_a_clock_that_is_wrong_is_told_by_how_much() -> None:
    for skew, verdict, code in ((-10.0, "warn", 0), (600.0, "fail", 3)):
        async with FakeHub() as hub:
            for _ in range(5):
                hub.answer_next("ping", {"type": "pong", "ts": time.time() + skew})
            ended, found, _ = await examined(hub.url)
        assert (ended, found["clock"]["verdict"]) == (code, verdict)
        assert ("ahead of" if skew < 0 else "behind") in found["clock"]["text"]
        assert "timedatectl" in found["clock"]["hint"]


async def test_another_version_of_the_protocol_is_told() -> None:
    async with FakeHub(welcome={"version": "2"}) as hub:
        code, found, _ = await examined(hub.url)
    assert (code, found["version"]["verdict"]) == (0, "warn")
    assert "version 2 of the protocol, this client 1" in found["version"]["text"]


async def test_a_token_that_the_hub_refuses_is_the_fault_and_no_proxy() -> None:
    with RunningHub() as hub:
        token = jwt(exp=time.time() + 600)
        code, found, err = await examined(hub.url, NG_TOKEN=token)
    assert (code, found["login"]["verdict"], found["rest"]["verdict"]) == (3, "fail", "fail")
    assert found["rest"]["text"].startswith("the hub refuses this token: ")
    assert "ng-ws token new" in found["rest"]["hint"]
    assert "proxy" not in json.dumps([found["login"], found["rest"]]) + err


async def test_a_proxy_that_wants_a_login_for_rest_is_told_from_a_hub_that_refuses_a_token() -> None:
    async with server(answering(http("401 Unauthorized", body="<html>"))) as port:
        (finding,) = [await asyncio.to_thread(rest_of, Target(f"ws://127.0.0.1:{port}/ws", None, 5.0))]
    assert (finding.verdict, "it is no hub that says so" in finding.text) == (Verdict.WARN, True)


async def test_a_role_without_rights_and_rest_that_does_not_answer_are_warned_of() -> None:
    async with FakeHub(rights={"logs": ()}) as hub:
        code, found, err = await examined(hub.url)
    assert (code, found["rights"]["verdict"], found["rest"]["verdict"]) == (0, "warn", "warn")
    assert "may subscribe to nothing" in found["rights"]["text"]
    assert "2 to look at" in err


async def test_large_messages_that_do_not_pass_are_told() -> None:
    async with FakeHub() as hub:
        for _ in range(5):
            hub.answer_next("ping", {"type": "pong", "ts": time.time()})
        hub.answer_next("ping", {})
        code, found, _ = await examined(hub.url, patience="1")
    assert (code, found["large"]["verdict"]) == (6, "fail")
    assert "small buffers" in found["large"]["hint"]


async def test_who_cuts_idle_connections_is_found() -> None:
    async with FakeHub() as hub:
        code, found, _ = await examined(hub.url, "--idle", "200ms")
        assert (code, found["idle"]["verdict"]) == (0, "ok")
        examining = asyncio.create_task(examined(hub.url, "--idle", "30s"))
        await hub.asked("ping", 13)
        hub.cut()
        code, found, _ = await examining
    assert (code, found["idle"]["verdict"]) == (5, "fail")
    assert "proxy_read_timeout" in found["idle"]["hint"]
