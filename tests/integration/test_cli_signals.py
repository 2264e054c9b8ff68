"""`ng-ws tokens`, `trace`, `emit --batch` and `pub --media` against a real hub."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neurograph_ws_client import NeurographWSClient, encode_text

from tests.support.hub import RunningHub
from tests.support.program import run

Start = Callable[..., RunningHub]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def hub(ws_hub: RunningHub) -> RunningHub:
    return ws_hub


def among(hub: RunningHub, role: str = "bot") -> dict[str, str]:
    return {"NG_URL": hub.url, "NG_TOKEN": hub.token(role)}


def objects(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.accept("K9", "H5", "H6")
async def test_tokens_are_listed_and_found_near_a_text_or_a_vector(hub: RunningHub) -> None:
    for text in ("disk failing on db4", "login refused for ann"):
        await run("emit", "signal.input.text", text, among=among(hub))
    code, out, _ = await run("tokens", "--limit", "1", among=among(hub))
    assert (code, [one["token_id"] for one in objects(out)]) == (0, [2])
    code, out, _ = await run("tokens", "near", "disk failing on db4", "-k", "1", among=among(hub))
    assert (code, objects(out)[0]["token_id"], objects(out)[0]["distance"]) == (0, 1, 0.0)
    vector = ",".join(map(str, encode_text("login refused for ann")))
    code, out, _ = await run("tokens", "near", vector, "--radius", "0.01", "--format", "compact", among=among(hub))
    assert (code, out) == (0, "2 signal.input.text 0.0 1.0\n")
    wanted = 'event ^= "signal." and not is_novel or dim.physical > 2'
    await run("emit", "signal.input.text", "login refused for ann", among=among(hub))
    code, out, _ = await run("tokens", "--filter", wanted, among=among(hub))
    assert (code, [one["token_id"] for one in objects(out)]) == (0, [3])
    code, _, err = await run("tokens", "near", "x", "--filter", "is_novel", among=among(hub))
    assert (code, "expected near or --filter" in err) == (2, True)
    code, out, err = await run("tokens", "far", "x", among=among(hub))
    assert (code, out, "expected nothing, or near and a text or 8 numbers" in err) == (2, "", True)
    code, _, err = await run("tokens", among=among(hub, "viewer"))
    assert (code, "403" in err) == (4, True)


@pytest.mark.accept("K9")
async def test_a_batch_of_lines_is_emitted_in_order_each_as_it_says(hub: RunningHub, tmp_path: Path) -> None:
    file = tmp_path / "signals.jsonl"
    lines: list[Any] = [
        [0.1] * 8,
        [0.9] * 8,
        "disk failing on db4",
        {"text": "disk failing on db4", "priority": 9, "event_type": "signal.other", "tags": {"a": "b"}, "key": "k"},
        {"vector": [0.1] * 8, "payload": {"n": 1}},
    ]
    file.write_text("\n\n".join(map(json.dumps, lines)) + "\n")
    code, out, err = await run("emit", "signal.x", "--batch", str(file), "--tag", "env=lab", among=among(hub))
    assert (code, err.splitlines()[-1]) == (0, "ng-ws: 5 signals emitted, 3 of them new")
    assert [(one["token_id"], one["is_novel"]) for one in objects(out)] == [
        (1, True), (2, True), (3, True), (4, False), (5, False),
    ]  # fmt: skip
    _, out, _ = await run("history", "signals", among=among(hub))
    told = [
        (e["event"], e["data"]["priority"], e["data"].get("payload"), e["tags"], e.get("key")) for e in objects(out)
    ]
    lab, text = {"env": "lab"}, {"text": "disk failing on db4"}
    assert told == [
        ("signal.x", 128, None, lab, None),
        ("signal.x", 128, None, lab, None),
        ("signal.x", 200, text, lab, None),
        ("signal.other", 9, text, {"env": "lab", "a": "b"}, "k"),
        ("signal.x", 128, {"n": 1}, lab, None),
    ]


@pytest.mark.accept("K9")
async def test_a_batch_of_numpy_is_emitted_and_a_wrong_one_is_told(hub: RunningHub, tmp_path: Path) -> None:
    file = tmp_path / "v.npy"
    np.save(file, np.linspace(0, 1, 40, dtype="f4").reshape(5, 8))
    code, out, _ = await run("emit", "signal.x", "--batch", str(file), among=among(hub))
    assert (code, [one["token_id"] for one in objects(out)]) == (0, [1, 2, 3, 4, 5])
    for content, told in (
        ('[1,2]\n', ":1: expected 8 numbers, got '[1, 2]'"),
        ('{"vector":[0,0,0,0,0,0,0,0],"text":"x"}\n', "either vector or text"),
        ('{"vectr":[0]}\n', ":1: expected an array of 8 numbers, a text, or an object of vector"),
        ('{"text":"x","priority":300}', ":1: expected a priority of 0 to 255, got '300'"),
        ("no json", ":1: expected an array of 8 numbers"),
        ("[NaN,0,0,0,0,0,0,0]", ":1: expected 8 numbers"),
    ):  # fmt: skip
        wrong = tmp_path / "wrong.jsonl"
        wrong.write_text(content)
        code, out, err = await run("emit", "signal.x", "--batch", str(wrong), among=among(hub))
        assert (code, out) == (2, "")
        assert told.replace("'", "") in err.replace("'", "")
    code, _, err = await run("emit", "signal.x", among=among(hub))
    assert (code, "expected a signal, or --batch FILE, got 'neither'" in err) == (2, True)
    code, _, err = await run("emit", "signal.x", "text", "--batch", str(file), among=among(hub))
    assert (code, "got 'both'" in err) == (2, True)


@pytest.mark.accept("K9", "E1")
async def test_a_file_is_published_with_its_type_and_what_is_said_of_it(hub: RunningHub, tmp_path: Path) -> None:
    file = tmp_path / "dot.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    meta = ("--meta", "width=16", "--meta", "alpha=true", "--meta", "name=dot")
    command = ("pub", "actions", "--media", str(file), "--event", "image.made", *meta)
    async with NeurographWSClient(hub.url, token=hub.token("admin")) as client:
        actions = client.subscribe("actions")
        await actions
        code, out, _ = await run(*command, among=among(hub, "admin"))
        event = await actions.next(timeout=5)
    assert (code, objects(out)[0]["position"]) == (0, event.position)
    assert (event.data, event.content_type, event.event) == (file.read_bytes(), "image/png", "image.made")
    assert event.meta == {"width": 16, "alpha": True, "name": "dot"}
    for arguments, told in (
        (("pub", "actions", "x", "--media", str(file)), "expected data, or --media FILE, got 'both'"),
        (("pub", "actions", "--media", str(tmp_path / "none.png")), "expected a readable file"),
        (("pub", "actions", "--media", __file__ + "x"), "expected a media type, since the name of the file tells none"),
        (("pub", "actions", "x", "--meta", "a=b"), "expected --media FILE beside"),
        (("pub", "actions", "--media", str(file), "--meta", "a"), "expected NAME=VALUE, got 'a'"),
    ):
        code, out, err = await run(*arguments, among=among(hub, "admin"))
        assert (code, out, told in err) == (2, "", True), err


@pytest.mark.accept("G19")
async def test_an_event_is_traced_by_position_or_trace_to_those_who_were_to_get_it(hub: RunningHub) -> None:
    async with (
        NeurographWSClient(hub.url, token=hub.token("bot"), name="writer") as writer,
        NeurographWSClient(hub.url, token=hub.token("developer"), name="reader") as reader,
    ):
        signals = reader.subscribe("signals")
        await signals
        message = {"type": "emit", "event_type": "signal.x", "vector": [0.1] * 8, "traceparent": TRACE}
        await writer.request(message)
        await writer.emit("signal.y", [0.9] * 8)
        events = [await signals.next(timeout=5) for _ in range(2)]
        for name in (events[0].position, TRACE, TRACE.split("-")[1]):
            code, out, err = await run("trace", name, "--format", "json", among=among(hub, "admin"))
            [told] = objects(out)
            assert (code, told["position"], told["event"]["event"]) == (0, events[0].position, "signal.x")
            assert [(one["client"], one["verdict"]) for one in told["receivers"]] == [("reader", "due")]
            assert "not known: when it was written to each socket" in err
        code, out, _ = await run("trace", events[0].position, "--format", "pretty", among=among(hub, "admin"))
        assert f"node n1, traceparent {TRACE}" in out
        assert "(developer as developer, client reader) was to get it as it was stored" in out
        code, out, err = await run("trace", TRACE, among=among(hub, "developer"))
        assert (code, "receivers" in objects(out)[0], "role admin only" in err) == (0, False, True)
    epoch = events[0].position.partition(":")[0]
    for name, told_text in (
        (f"{epoch}:3", f"{epoch}:3 is not there: signals keeps {epoch}:1 to {epoch}:2"),
        ("AAAAAAAAAA:1", "no channel that your role may read has the epoch AAAAAAAAAA"),
        ("0" * 31 + "1", "no event with trace"),
        ("what", "expected a position like k3Fq:902, or a traceparent or trace id of 32 hex digits"),
    ):
        code, out, err = await run("trace", name, among=among(hub, "admin"))
        assert (code, out, told_text in err) == (2, "", True), err
