"""Why a client got what it got, in plain lines."""

import json
from typing import Any

import pytest
from ng_ws.explain import lines_of

from tests.support.hub import RunningHub
from tests.support.program import run
from tests.support.ws import Peer


@pytest.fixture
def hub() -> Any:
    with RunningHub() as running:
        yield running


def record(kind: str, text: str, at: float = 1.0, count: int = 1) -> dict[str, Any]:
    return {"kind": kind, "text": text, "at": at, "last": at + count - 1, "count": count}


def story(*records: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "conn": "c-1",
        "user": "ann",
        "role": "viewer",
        "address": "10.0.0.7",
        "node": "n1",
        "state": "closed",
        "begun": 1.0,
        "ended": 13.0,
        "records": list(records),
        "forgotten": 0,
        **members,
    }


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"code": 4213, "reason": "slow; overrun"}, "entries left the log before it took them"),
        ({"code": 4213, "reason": "slow; nothing was read"}, "it read nothing for 10 s while bytes were waiting"),
        ({"code": 4213, "reason": "slow; answers not read"}, "it did not read the answers"),
        ({"code": 4101, "reason": "token_expired"}, "its token expired and no new one came in time"),
        ({"code": 1006, "reason": ""}, "its connection was lost without a close frame"),
        ({"code": 4009, "reason": "taken_over"}, "a newer connection resumed its session"),
        ({"code": 4999, "reason": ""}, "see PROTOCOL.md, section 7"),
    ],
)
def test_the_end_is_told_in_words(members: dict[str, Any], told: str) -> None:
    lines = lines_of(story(**members))
    assert lines[0] == "c-1  ann as viewer, from 10.0.0.7, on n1, closed, lived 12 s"
    assert told in lines[-1]


def test_gaps_refusals_and_waits_are_summed_up() -> None:
    gap = "logs k3Fq:1 to k3Fq:612, 611 entries missed (slow)"
    lines = lines_of(
        story(
            record("gap", gap),
            record("refused", "publish logs: 403 forbidden: no", count=3),
            record("awaits_ack", "actions, 3 behind"),
            state="ready",
        )
    )
    short = [line.removeprefix("  in short: ") for line in lines if line.startswith("  in short: ")]
    assert short == [
        "it misses entries of logs: it was slower than the channel, and what it had not read left the log",
        "3 of its requests were refused, see above",
        "events waited for its ack: it handles slowly, or does not acknowledge",
    ]
    assert any("refused" in line and "(3 times until" in line for line in lines)


def test_what_went_to_make_room_is_told_where_it_stood() -> None:
    lines = lines_of(story(record("attached", "a", 1), record("note", "b", 2), record("note", "c", 500), forgotten=7))
    assert "7 records went to make room" in lines[3]


def test_nothing_from_the_wire_steers_the_terminal() -> None:
    assert "\x1b" not in "".join(lines_of(story(record("refused", "\x1b[2J"), user="\x1b[31m")))


@pytest.mark.accept("G13", "G19")
async def test_the_story_of_a_real_connection_is_told_after_it_has_gone(hub: RunningHub) -> None:
    with Peer(hub, "viewer", subject="ann") as peer:
        conn = peer.welcome["conn"]
        peer.ask(type="subscribe", channel="metrics")
        peer.ask(type="publish", channel="metrics", event="x")
    environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin")}
    for name in (conn, "ann"):
        code, out, _ = await run("explain", name, "--format", "pretty", among=environ)
        assert code == 0
        assert f"{conn}  ann as viewer, from 127.0.0.1, on n1" in out
        assert "subscribed     metrics from " in out
        assert "refused        publish metrics: 403 forbidden: role viewer may not broadcast on metrics" in out
    code, out, _ = await run("explain", conn, among=environ)
    assert (code, json.loads(out)["user"]) == (0, "ann")


async def test_who_is_not_known_and_who_may_not_ask_is_told(hub: RunningHub) -> None:
    code, out, err = await run("explain", "nobody", NG_URL=hub.url, NG_TOKEN=hub.token("admin"))
    assert (code, out) == (2, "")
    assert "nothing is known of 'nobody'" in err
    assert "next: ng-ws conns" in err
    code, _, err = await run("explain", "ann", NG_URL=hub.url, NG_TOKEN=hub.token("viewer"))
    assert (code, "403 forbidden" in err) == (4, True)


@pytest.mark.accept("G13")
async def test_a_node_is_dumped_as_lines(hub: RunningHub, tmp_path: Any) -> None:
    file = tmp_path / "node.jsonl"
    environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin")}
    code, out, err = await run("debug", "dump", "-o", str(file), among=environ)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert (code, out, lines[0]["what"], lines[0]["node"]) == (0, "", "node", "n1")
    assert {"log"} <= {line["what"] for line in lines}
    assert "n1: " in err
