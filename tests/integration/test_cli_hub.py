"""`ng-ws` against a real hub."""

import json
from collections.abc import Callable

import pytest

from tests.support.hub import RunningHub
from tests.support.program import Process, run

Start = Callable[..., RunningHub]


@pytest.fixture
def hub(ws_hub: RunningHub) -> RunningHub:
    return ws_hub


@pytest.mark.accept("L1", "L2", "L3", "L4", "K9")
async def test_signals_of_a_bot_are_seen_live_as_json(hub: RunningHub) -> None:
    listening = await Process.start(
        *("--url", hub.url, "--subscribe", "metrics,signals", "--token", hub.token("developer"), "--format", "json")
    )
    await listening.noted("developer at")
    code, out, _ = await run(
        "emit", "signal.input.text", "disk failing on db4", NG_URL=hub.url, NG_TOKEN=hub.token("bot")
    )
    emitted = json.loads(out)
    assert (code, emitted["is_novel"], emitted["neighbors"]) == (0, True, [])
    while (event := json.loads(await listening.line()))["channel"] != "signals":
        pass
    assert (event["type"], event["event"], event["data"]["token_id"]) == (
        "event",
        "signal.input.text",
        emitted["token_id"],
    )
    listening.interrupt()
    assert (await listening.ended())[0] == 130


@pytest.mark.accept("C2", "L3")
async def test_a_token_of_the_hubs_own_issuer_opens_the_door(hub: RunningHub) -> None:
    code, token, err = await run("token", "new", "--role", "bot", NG_URL=hub.url)
    assert (code, "bot, role bot" in err) == (0, True)
    code, out, _ = await run("token", "show", "-", stdin=token.encode())
    assert (code, json.loads(out)["claims"]["role"]) == (0, "bot")
    code, out, _ = await run("token", "check", "-", stdin=token.encode(), NG_URL=hub.url)
    assert (code, json.loads(out)["role"], json.loads(out)["channels"]["signals"]) == (0, "bot", ["subscribe", "emit"])


@pytest.mark.accept("C2", "L3")
async def test_a_token_may_be_anybodys_for_as_long_as_is_asked_within_the_hubs_limit(hub: RunningHub) -> None:
    wanted = ("token", "new", "--role", "bot", "--user", "u1", "--ttl", "1h")
    code, token, err = await run(*wanted, NG_URL=hub.url)
    assert (code, "u1, role bot, good for 60 min" in err) == (0, True)
    code, out, _ = await run("token", "show", "-", stdin=token.encode())
    claims = json.loads(out)["claims"]
    assert (claims["sub"], claims["role"], claims["exp"] - claims["iat"]) == ("u1", "bot", 3600)
    code, out, err = await run("token", "new", "--role", "bot", "--ttl", "25h", NG_URL=hub.url)
    assert (code, out) == (2, "")
    assert "ttl: expected 1 to 86400 seconds (NG_TOKEN_TTL_MAX), came 90000" in err


async def test_a_wrong_password_is_exit_three(hub: RunningHub) -> None:
    code, out, err = await run("token", "new", "--user", "admin", "--password", "wrong", NG_URL=hub.url)
    assert (code, out) == (3, "")
    assert "401 token_invalid" in err


@pytest.mark.clause("E5")
async def test_what_the_role_may_not_is_exit_four(hub: RunningHub) -> None:
    for command in (("sub", "signals"), ("pub", "actions", "1")):
        code, out, err = await run(*command, NG_URL=hub.url, NG_TOKEN=hub.token("viewer"))
        assert (code, out) == (4, "")
        assert "403 forbidden: role viewer may not" in err


async def test_published_lines_are_read_back_from_the_log(hub: RunningHub) -> None:
    environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin")}
    code, out, _ = await run("pub", "logs", "-", "--event", "app.line", stdin=b'one\n{"n":2}\n', among=environ)
    positions = [json.loads(line)["position"] for line in out.splitlines()]
    assert (code, len(positions)) == (0, 2)
    code, out, _ = await run("sub", "logs", "--from", "last:50", "--for", "300ms", among=environ)
    ours = [event for event in map(json.loads, out.splitlines()) if event["event"] == "app.line"]
    assert (code, [event["data"] for event in ours]) == (0, ["one", {"n": 2}])


@pytest.mark.accept("H1", "H10")
async def test_the_hub_says_what_it_holds_and_who_is_there(hub: RunningHub) -> None:
    environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin")}
    code, out, _ = await run("status", among=environ)
    assert (code, json.loads(out)["node"]) == (0, "n1")
    code, out, _ = await run("channels", "signals", "--format", "compact", among=environ)
    assert (code, out.split()[0]) == (0, "signals")
    listening = await Process.start("sub", "status", NG_URL=hub.url)
    await listening.noted("following")
    code, out, _ = await run("conns", "--role", "anonymous", among=environ)
    (conn,) = [json.loads(line) for line in out.splitlines()]
    assert (code, conn["role"]) == (0, "anonymous")
    code, out, _ = await run("conns", "--kick", conn["id"], among=environ)
    assert code == 0
    code, _, err = await listening.ended()
    assert (code, "4010 kicked" in err) == (5, True)


async def test_people_see_the_settings_only_where_they_ask_for_them(hub: RunningHub) -> None:
    environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin"), "NG_FORMAT": "compact"}
    for options, has_settings in (((), False), (("-v",), True), (("--format", "json"), True)):
        code, out, _ = await run("status", *options, among=environ)
        assert (code, "n1" in out, "max_message" in out) == (0, True, has_settings)


@pytest.mark.parametrize("command", [("ping",), ("status",)])
async def test_tls_on_the_hubs_plain_port_is_told_with_the_url_that_works(
    hub: RunningHub, command: tuple[str, ...]
) -> None:
    code, _, err = await run(*command, "--url", hub.url.replace("ws:", "wss:"))
    assert (code, f"this port seems to speak plain ws: try {hub.url}" in err) == (5, True)


async def test_a_channel_that_is_refused_is_told_though_another_delivered(hub: RunningHub) -> None:
    environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("viewer")}
    for refused, code in (("nope", 2), ("signals", 4), ("nope,signals", 4)):
        ended = await run("--subscribe", f"{refused},metrics", "-n", "1", "--for", "20s", among=environ)
        assert (ended[0], [name in ended[2] for name in refused.split(",")]) == (code, [True] * len(refused.split(",")))


async def test_a_hub_that_is_replaced_is_found_again_and_the_loss_is_told(start: Start) -> None:
    hub = start()
    listening = await Process.start("sub", "actions", NG_URL=hub.url, NG_TOKEN=hub.token("developer"))
    await listening.noted("following actions")
    hub.stop()
    assert "trying again in" in await listening.noted("4301 draining")
    start(port=hub.port)
    assert "actions: an unknown number of entries missed (epoch)" in await listening.noted("missed")
    await listening.noted("connected again")
    assert json.loads(await listening.line())["reason"] == "epoch"
    listening.interrupt()
    await listening.ended()
