"""`ng-ws` as a process, against a scripted hub."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from neurograph_ws_client.testing import FakeHub
from ng_ws import commands

from tests.support.program import SOON, Process, run


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with FakeHub() as hub:
        yield hub


@pytest.mark.accept("L1", "L2", "L4", "L5")
async def test_the_documents_command_listens_to_its_channels_as_json(hub: FakeHub) -> None:
    process = await Process.start("--url", hub.url, "--subscribe", "metrics,signals", "--format", "json")
    await hub.asked("subscribe")
    await process.noted("following metrics, signals")
    hub.publish("metrics", {"cpu": 1}, event="system_metrics")
    hub.publish("signals", {"n": 2})
    assert [json.loads(await process.line())["channel"] for _ in range(2)] == ["metrics", "signals"]
    began = time.monotonic()
    process.interrupt()
    code, _, err = await process.ended()
    took = time.monotonic() - began
    assert (code, err.splitlines()[-1].partition(" in ")[0]) == (130, "ng-ws: 2 events")
    assert took < 0.2 * float(os.environ.get("NG_TEST_PATIENCE", "5"))


async def test_without_channels_it_takes_what_the_role_may_read() -> None:
    rights = {"logs": ("subscribe",), "actions": ("broadcast",), "room:*": ("subscribe",), "status": ("subscribe",)}
    async with FakeHub(rights=rights) as hub:
        process = await Process.start(NG_URL=hub.url)
        assert (await process.noted("following")).strip().endswith("following logs, status (Ctrl-C ends)")
        process.interrupt()
        await process.ended()


async def test_it_ends_after_so_many_events_or_so_much_time(hub: FakeHub) -> None:
    for number in range(3):
        hub.publish("logs", number)
    code, out, _ = await run("sub", "logs", "--from", "last:3", "-n", "2", "--url", hub.url)
    assert (code, [json.loads(line)["data"] for line in out.splitlines()]) == (0, [0, 1])
    code, out, err = await run("sub", "logs", "--for", "50ms", "--url", hub.url)
    assert (code, out, "0 events" in err) == (0, "", True)


async def test_data_can_go_to_a_file(hub: FakeHub, tmp_path: Path) -> None:
    hub.publish("logs", 1)
    path = tmp_path / "events.jsonl"
    code, out, _ = await run("sub", "logs", "--from", "last:1", "-n", "1", "-o", str(path), "--url", hub.url)
    assert (code, out, json.loads(path.read_text())["data"]) == (0, "", 1)


@pytest.mark.accept("A9")
async def test_a_lost_connection_is_told_opened_again_and_what_came_meanwhile_is_replayed(hub: FakeHub) -> None:
    process = await Process.start("sub", "logs", "--fail-on-gap", "--url", hub.url)
    await process.noted("following logs")
    hub.is_mute = True
    hub.cut()
    lost = await process.noted("connection lost")
    assert "connection lost (no close frame: the hub is gone or the network was cut); trying again " in lost
    assert "0.0 s" not in lost
    hub.publish("logs", 1)
    hub.is_mute = False
    hub.cut()
    assert "1 event replayed, nothing was missed" in await process.noted("connected again after")
    assert json.loads(await process.line())["data"] == 1
    process.interrupt()
    assert (await process.ended())[0] == 130


@pytest.mark.clause("M50", "M51")
async def test_a_drain_is_told_and_so_is_the_switch(hub: FakeHub) -> None:
    process = await Process.start("sub", "logs", "--url", hub.url)
    await process.noted("following logs")
    await hub.asked("get_reconnection_token")
    hub.goaway((0, 0.2))
    assert (await process.noted("the hub")).strip() == "ng-ws: the hub goes away (draining): reconnecting within 0.2 s"
    told = "ng-ws: switched to another connection, nothing was missed"
    assert (await process.noted("switched")).strip() == told
    hub.publish("logs", 1)
    assert json.loads(await process.line())["data"] == 1
    process.interrupt()
    assert (await process.ended())[0] == 130


async def test_a_drain_is_told_where_nothing_is_opened_again(hub: FakeHub) -> None:
    process = await Process.start("sub", "logs", "--no-reconnect", "--url", hub.url)
    await process.noted("following logs")
    hub.goaway((0, 0.2))
    assert (await process.noted("the hub")).strip() == "ng-ws: the hub goes away (draining)"
    process.interrupt()
    assert (await process.ended())[0] == 130


async def test_the_help_says_both_forms_of_since_and_whose_the_default_number_of_channels_is() -> None:
    _, out, _ = await run("sub", "--help")
    assert "since:10m or since:2026-11-28T23:26:00" in " ".join(out.split())
    _, out, _ = await run("verify", "--help")
    assert "For a hub of its own only: how many [2]." in " ".join(out.split())


async def test_what_was_lost_with_the_hubs_past_is_told_where_it_would_have_stood(hub: FakeHub) -> None:
    process = await Process.start("sub", "logs", "--fail-on-gap", "--url", hub.url)
    await process.noted("following logs")
    hub.is_mute = True
    hub.cut()
    await process.noted("connection lost")
    hub.restart_epoch("logs")
    hub.is_mute = False
    hub.cut()
    assert "an unknown number of entries missed (epoch), fake1:0 to fake2:0" in await process.noted("missed")
    assert "connected again after" in await process.noted("missed: logs")
    assert json.loads(await process.line())["reason"] == "epoch"
    process.interrupt()
    assert (await process.ended())[0] == 8


async def test_listening_starts_at_a_time_or_a_position_and_acknowledges_what_it_wrote(hub: FakeHub) -> None:
    for number in range(3):
        hub.publish("logs", number)
    for start, first in (("since:10m", 0), ("fake1:1", 1)):
        arguments = ("sub", "logs", "--from", start, "-n", "1", "--ack", "2", "--url", hub.url)
        code, out, _ = await run(*arguments)
        assert (code, json.loads(out)["data"]) == (0, first)
    assert [message["ack"] for message in await hub.asked("subscribe", 2)] == [2, 2]


async def test_a_reader_that_goes_away_is_a_quiet_end(hub: FakeHub) -> None:
    read, write = os.pipe()
    command = (sys.executable, "-m", "ng_ws", "-q", "sub", "logs", "--url", hub.url)
    process = await asyncio.create_subprocess_exec(*command, stdout=write, stderr=asyncio.subprocess.PIPE)
    os.close(write)
    await hub.asked("subscribe")
    os.close(read)
    async with asyncio.timeout(SOON):
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize("command", [("ping", "-q", "-c", "2"), ("--version",), ("--help",), ("emit", "a.b", "x")])
async def test_a_reader_that_is_gone_before_the_answer_is_a_quiet_end(hub: FakeHub, command: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ng_ws", *command),
        stdout=write,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NG_URL": hub.url},
    )
    os.close(write)
    async with asyncio.timeout(SOON):
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


async def test_a_disk_that_is_full_is_told(hub: FakeHub) -> None:
    hub.publish("logs", 1)
    code, _, err = await run("sub", "logs", "--from", "last:1", "-q", "-o", "/dev/full", "--url", hub.url)
    assert (code, err) == (1, "ng-ws: cannot write the data: No space left on device\n")


async def test_publishing_says_where_it_was_stored(hub: FakeHub) -> None:
    tagged = ("--event", "deploy.started", "--key", "api", "--tag", "env=prod")
    code, out, _ = await run("pub", "actions", '{"service":"api"}', *tagged, "--url", hub.url)
    assert (code, json.loads(out)) == (0, {"channel": "actions", "position": "fake1:1", "duplicate": False})
    entry = hub.logs["actions"].entries[0]
    assert [entry[name] for name in ("event", "data", "key", "tags")] == [
        "deploy.started",
        {"service": "api"},
        "api",
        {"env": "prod"},
    ]


async def test_every_line_of_stdin_is_an_event(hub: FakeHub) -> None:
    code, out, err = await run("pub", "logs", "-", "--url", hub.url, "--format", "compact", stdin=b'one\n\n{"n":2}\n')
    assert (code, out.split(), err) == (0, ["fake1:1", "fake1:2"], "ng-ws: 2 events published on logs\n")
    assert [entry["data"] for entry in hub.logs["logs"].entries] == ["one", {"n": 2}]


async def test_broken_json_is_refused_before_anything_is_stored(hub: FakeHub) -> None:
    code, out, err = await run("pub", "logs", "{a:1}", "--url", hub.url)
    assert (code, out, err.splitlines()[0]) == (2, "", "ng-ws: DATA: expected JSON, got '{a:1}'")
    assert hub.received == []
    code, _, err = await run("pub", "logs", "-", "--url", hub.url, stdin=b"1\n2\n1e400\n4\n")
    assert (code, "it ended at event 3, with 2 published on logs" in err) == (2, True)
    code, _, err = await run("pub", "logs", "-", "--json", "--url", hub.url, stdin=b'1\n{"a":\n')
    assert (code, err.splitlines()[0]) == (2, "ng-ws: stdin, event 2: expected JSON, got '{\"a\":'")
    for option in ("--text", "--as-text"):
        code, _, _ = await run("pub", "logs", "{a:1}", option, "--url", hub.url)
        assert (code, hub.logs["logs"].entries[-1]["data"]) == (0, "{a:1}")


async def test_lines_that_only_look_like_json_are_texts(hub: FakeHub) -> None:
    lines = b"['a']\n\"quoted\n[1]\n"
    code, _, _ = await run("pub", "logs", "-", "--url", hub.url, stdin=lines)
    assert (code, [entry["data"] for entry in hub.logs["logs"].entries]) == (0, ["['a']", '"quoted', [1]])
    code, _, _ = await run("pub", "logs", "-", "--text", "--url", hub.url, stdin=b"[1]\n")
    assert (code, hub.logs["logs"].entries[-1]["data"]) == (0, "[1]")


@pytest.mark.clause("M10", "M13")
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ('{"x":[0,36893488147419103232]}', "data.x[1]: expected an integer from -2^63 to 2^64-1"),
        ("[" * 40 + "]" * 40, "expected at most 32 levels of nesting"),
        ('"\\ud800"', "data: expected text without lone surrogates"),
        ("1e400", "data: expected a finite number, got inf"),
    ],
)
async def test_what_no_hub_can_read_is_a_wrong_argument(hub: FakeHub, data: str, told: str) -> None:
    code, out, err = await run("pub", "logs", data, NG_URL=hub.url)
    assert (code, out) == (2, "")
    assert told in err
    assert hub.logs["logs"].entries == []


@pytest.mark.clause("M31")
async def test_what_is_published_again_by_its_mid_is_not_stored_twice(hub: FakeHub) -> None:
    for duplicate in (False, True):
        _, out, _ = await run("pub", "logs", "x", "--mid", "a", "--url", hub.url)
        assert json.loads(out)["duplicate"] is duplicate
    for _ in range(2):
        await run("pub", "logs", "-", "--mid", "lines", "--url", hub.url, stdin=b"one\ntwo\n")
    assert [entry["data"] for entry in hub.logs["logs"].entries] == ["x", "one", "two"]


@pytest.mark.accept("C11")
async def test_emitting_shows_token_novelty_and_neighbours(hub: FakeHub) -> None:
    code, out, _ = await run("emit", "signal.input.text", "disk failing", "--priority", "220", "--url", hub.url)
    assert (code, json.loads(out)["token_id"], json.loads(out)["is_novel"]) == (0, 0, True)
    _, out, _ = await run("emit", "signal.input.text", "disk failing", "--format", "pretty", "--url", hub.url)
    assert out == "token 1 known, near 0 (0.000)\n"
    sent = await hub.asked("emit", 2)
    assert [message["priority"] for message in sent] == [220, 200]


@pytest.mark.parametrize(
    ("options", "payload"),
    [
        ((), {"text": "disk failing"}),
        (("--no-text",), None),
        (("--payload", '{"host":"db4"}'), {"text": "disk failing", "host": "db4"}),
        (("--payload", '{"text":"mine"}'), {"text": "mine"}),
        (("--payload", "[1]"), [1]),
        (("--payload", '{"host":"db4"}', "--no-text"), {"host": "db4"}),
    ],
)
async def test_a_text_goes_along_as_payload_unless_that_is_declined(
    hub: FakeHub, options: tuple[str, ...], payload: object
) -> None:
    code, _, _ = await run("emit", "a.b", "disk failing", *options, NG_URL=hub.url)
    (sent,) = await hub.asked("emit")
    assert (code, sent.get("payload")) == (0, payload)


async def test_a_vector_takes_nothing_along_and_lines_that_look_like_numbers_can_be_texts(hub: FakeHub) -> None:
    assert (await run("emit", "a.b", "1,2,3,4,5,6,7,8", NG_URL=hub.url))[0] == 0
    code, _, _ = await run("emit", "a.b", "-", "--as-text", NG_URL=hub.url, stdin=b"[INFO] up\n \n1,2\n")
    sent = await hub.asked("emit")
    assert (code, [message.get("payload") for message in sent]) == (0, [None, {"text": "[INFO] up"}, {"text": "1,2"}])


async def test_the_options_of_listening_need_no_subcommand(hub: FakeHub) -> None:
    for number in range(3):
        hub.publish("logs", number)
    code, out, err = await run("--subscribe", "logs", "-n", "2", "--from", "last:3", NG_URL=hub.url)
    assert (code, [json.loads(line)["data"] for line in out.splitlines()], "2 events" in err) == (0, [0, 1], True)


@pytest.mark.parametrize(
    ("channels", "code", "told"),
    [
        ("nope,logs", 2, ["404 unknown_channel: nope is not configured"]),
        ("shut,logs", 4, ["403 forbidden: may not subscribe to shut"]),
        (
            "nope,shut,logs",
            4,
            ["403 forbidden: may not subscribe to shut", "404 unknown_channel: nope is not configured"],
        ),
        (
            "nope,shut",
            4,
            ["404 unknown_channel: nope is not configured", "403 forbidden: may not subscribe to shut"],
        ),
    ],
)
async def test_a_channel_that_is_refused_is_told_before_the_end_and_decides_the_exit_code(
    channels: str, code: int, told: list[str]
) -> None:
    async with FakeHub(rights={"logs": ("subscribe",), "shut": ()}) as hub:
        hub.publish("logs", 1)
        ended = await run("sub", channels, "--from", "last:1", "-n", "1", "-q", NG_URL=hub.url)
    notes = [line.removeprefix("ng-ws: ") for line in ended[2].splitlines() if line.startswith("ng-ws: 4")]
    assert (ended[0], notes) == (code, told)


async def test_an_empty_token_is_not_taken_for_no_token(hub: FakeHub) -> None:
    for command in (("ping",), ("token", "check")):
        code, _, err = await run(*command, NG_URL=hub.url, NG_TOKEN="")
        assert (code, err.splitlines()[0]) == (
            2,
            "ng-ws: token: expected a JWT or an API key, came an empty string",
        )
    assert (await run("sub", "--help", NG_TOKEN=""))[0] == 0
    code, _, err = await run("token", "new", "--role", "bot", "--url", "ws://127.0.0.1:1/ws", NG_TOKEN="")
    assert (code, "cannot connect" in err) == (5, True)


@pytest.mark.parametrize("command", [("ping",), ("status",)])
async def test_tls_on_a_plain_port_is_told_with_the_url_that_works(hub: FakeHub, command: tuple[str, ...]) -> None:
    code, _, err = await run(*command, "--url", hub.url.replace("ws:", "wss:"))
    assert (code, f"no TLS there; this port seems to speak plain ws: try {hub.url}" in err) == (5, True)


async def test_ping_gives_a_line_each_and_a_summary(hub: FakeHub) -> None:
    code, out, err = await run("ping", "-c", "3", "--every", "1ms", "--url", hub.url)
    assert (code, [json.loads(line)["ping"] for line in out.splitlines()]) == (0, [1, 2, 3])
    assert "3 pings to" in err


async def test_checking_a_token_shows_role_and_rights() -> None:
    async with FakeHub(tokens={"good": "bot"}) as hub:
        code, out, _ = await run("token", "check", NG_URL=hub.url, NG_TOKEN="good")
        assert (code, json.loads(out)["role"]) == (0, "bot")
        code, out, err = await run("token", "check", "bad", NG_URL=hub.url)
        assert (code, out) == (3, "")
        assert err.splitlines()[0] == "ng-ws: login refused: 4101 token_invalid"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["frob"], 2, "No such command 'frob'"),
        (["sub", "--frob"], 2, "No such option: --frob"),
        (["sub", "nope"], 2, "404 unknown_channel: nope is not configured"),
        (
            ["sub", "logs", "--from", "yesterday"],
            2,
            "--from: expected new, snapshot, last:N, since:10m, since:2026-11-28T23:26:00 or a position like k3Fq:902, "
            "got 'yesterday'",
        ),
        (
            ["sub", "logs,status", "--from", "k3Fq:9"],
            2,
            "--from: expected one channel with a position, each has its own",
        ),
        (
            ["sub", "logs", "--from", "since:later"],
            2,
            "--from: expected a time like 250ms, 30s, 10m or 1h, or a date and time like 2026-11-28T23:26:00, "
            "got 'later'",
        ),
        (
            ["sub", "logs", "--from", "last:5000"],
            2,
            "--from: expected last:1 to last:1000 at this hub, got 'last:5000'",
        ),
        (
            ["verify"],
            2,
            "--channels: expected names of channels, because --url or NG_URL names a hub (the default 2 is for a hub "
            "of its own), got none",
        ),
        (["emit", "a.b", "1,2,3"], 2, "vector: expected 8 numbers, got 3: 1,2,3"),
        (["emit", "a.b", "x", "--priority", "999"], 2, "--priority: expected 0 to 255, got 999"),
        (["pub", "logs", "x", "--json", "--text"], 2, "--json, --text: expected one of them, got both"),
        (["pub", "logs", "--tag", "x"], 2, "--tag: expected NAME=VALUE, got 'x'"),
        (["ping", "--format", "xml"], 2, "--format: expected pretty, json, compact or raw, got 'xml'"),
        (["sub", "logs", "-n", "0"], 2, "-n: expected a whole number from 1, got 0"),
        (["--subscribe", "logs", "-n", "0"], 2, "-n: expected a whole number from 1, got 0"),
        (["emit", "a.b", "0.1,0.5,0.3,1,2,3,4,nan"], 2, "vector.7: expected a finite number, got 'nan'"),
        (["emit", "a.b", ""], 2, "signal: expected 8 numbers or a text, got ''"),
        (["emit", "a.b", "x", "--payload", "{bad"], 2, "--payload: expected JSON, got '{bad'"),
        (["ping", "--token", ""], 2, "token: expected a JWT or an API key, came an empty string"),
        (["token", "check", ""], 2, "token: expected a JWT or an API key, came an empty string"),
        (["token", "new", "--role", "king"], 2, "--role: expected admin, developer, viewer or bot, got 'king'"),
        (["ping", "--url", "http://x"], 2, "url: expected one like ws://localhost:8000/ws, got 'http://x'"),
    ],
)
async def test_a_mistake_is_told_with_what_was_expected(
    hub: FakeHub, arguments: list[str], code: int, text: str
) -> None:
    ended = await run(*arguments, NG_URL=hub.url)
    assert (ended[0], ended[1]) == (code, "")
    assert text in ended[2]
    assert "Traceback" not in ended[2]


async def test_a_right_that_lacks_is_exit_four() -> None:
    async with FakeHub(rights={"logs": ()}) as hub:
        code, _, err = await run("sub", "logs", NG_URL=hub.url)
        assert (code, err.splitlines()[0]) == (4, "ng-ws: 403 forbidden: may not subscribe to logs")


async def test_nobody_there_is_exit_five_with_the_next_command() -> None:
    code, _, err = await run("ping", "--url", "ws://127.0.0.1:1/ws")
    assert (code, err.splitlines()) == (
        5,
        [
            "ng-ws: cannot connect to ws://127.0.0.1:1/ws: connection refused",
            "       next: start a hub with make run, or name another with --url ws://HOST:8000/ws",
        ],
    )


async def test_silence_is_exit_six(hub: FakeHub) -> None:
    hub.is_mute = True
    code, _, err = await run("ping", "--timeout", "0.2", NG_URL=hub.url)
    assert (code, "no welcome within 0.2 s" in err) == (6, True)


async def test_a_token_given_on_the_command_line_is_shown_nowhere() -> None:
    async with FakeHub(tokens={"sesame": "bot"}) as hub:
        url = f"{hub.url}?token=sesame"
        code, out, err = await run("ping", "-c", "1", "--token", "sesame", "-v", "--url", url)
        assert code == 0
        assert "sesame" not in out + err


@pytest.mark.accept("L6")
async def test_verbose_shows_every_message_and_quiet_only_warnings(hub: FakeHub) -> None:
    _, _, err = await run("ping", "-c", "1", "-v", NG_URL=hub.url)
    frames = [line.removeprefix("ng-ws: ") for line in err.splitlines() if line.startswith(("ng-ws: < ", "ng-ws: > "))]
    types = [(frame[0], json.loads(frame[2:])["type"]) for frame in frames]
    assert [kind for kind in types if kind[1] in {"ping", "pong"}] == [(">", "ping"), ("<", "pong")]
    _, _, err = await run("ping", "-c", "1", "-q", NG_URL=hub.url)
    assert err == ""


async def test_nothing_is_coloured_into_a_pipe(hub: FakeHub) -> None:
    hub.publish("logs", "x")
    _, out, err = await run("sub", "logs", "--from", "last:1", "-n", "1", "--format", "pretty", NG_URL=hub.url)
    assert "\x1b" not in out + err


COMMANDS = [
    [],
    *([name] for name in commands.COMMANDS),
    *([group, name] for group, names in commands.GROUPS.items() for name in names),
]


@pytest.mark.parametrize("command", COMMANDS, ids=["-".join(["ng-ws", *command]) for command in COMMANDS])
async def test_the_help_of_each_command_starts_with_two_examples(command: list[str]) -> None:
    code, out, _ = await run(*command, "--help")
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    assert code == 0
    assert [lines[0].startswith("Usage: ng-ws"), "ng-ws" in lines[1], "ng-ws" in lines[2]] == [True, True, True]
    assert [line[:2] for line in lines[1:3]] == ["$ ", "$ "]


LOADED = """
import sys
from ng_ws.main import main
main([{option!r}])
print(sorted(set(sys.modules) & {{"typer", "rich", "asyncio", "websockets"}}))
"""


@pytest.mark.parametrize(("option", "loaded"), [("--version", "[]"), ("--help", "[]")])
async def test_version_and_help_load_no_more_than_they_need(option: str, loaded: str) -> None:
    command = (sys.executable, "-c", LOADED.format(option=option))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == loaded


async def test_waiting_for_lines_can_be_interrupted(hub: FakeHub) -> None:
    process = await Process.start("pub", "logs", "-", NG_URL=hub.url)
    process.type(b"one\n")
    await hub.asked("publish")
    process.interrupt()
    assert (await process.ended())[0] == 130


async def test_a_token_and_data_may_both_come_from_stdin() -> None:
    async with FakeHub(tokens={"good": "bot"}) as hub:
        code, out, _ = await run("pub", "logs", "-", "--token", "-", NG_URL=hub.url, stdin=b"good\none\ntwo\n")
        assert (code, len(out.splitlines())) == (0, 2)


async def test_where_no_event_could_be_near_it_is_said(hub: FakeHub) -> None:
    hub.publish("metrics", {"cpu": 1})
    hub.publish("signals", {"vector": [0.9] * 8})
    process = await Process.start("sub", "metrics,signals,logs", "--from", "new", "--near", "x", NG_URL=hub.url)
    assert "metrics: nothing has passed --near, and nothing may" in await process.noted("metrics: nothing")
    assert "a larger --radius lets more pass" in await process.noted("signals: nothing")
    assert "waiting for the first" in await process.noted("logs: nothing")
    process.interrupt()
    assert (await process.ended())[0] == 130
