"""Recordings: what channels carried is kept, published again, and compared."""

import json
from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client.testing import FakeHub
from ng_ws.exits import Failed
from ng_ws.recordings.form import recorded

from tests.support.hub import RunningHub
from tests.support.program import Process, run

HEAD = '{"type":"recording","version":1,"url":"ws://a/ws","channels":["logs"],"started":1.0}'


def line(n: int, *, position: str | None = None, t: float = 0.0, channel: str = "logs", **members: Any) -> str:
    event = {"type": "event", "channel": channel, "offset": n, "event": "e", "ts": 1.0, "data": n, **members}
    return json.dumps({"t": t, "position": position or f"a:{n}", "event": event})


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join((HEAD, *lines)) + "\n")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_text().splitlines()]


async def test_events_are_kept_as_they_came_with_position_and_time(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    async with FakeHub() as hub:
        for number in range(3):
            hub.publish("logs", {"n": number}, key=f"k{number}", tags={"a": "b"})
        url = f"{hub.url}?token=sesame"
        code, out, err = await run("record", str(file), "logs", "--from", "last:3", "-n", "3", "--url", url)
    head, *events = rows(file)
    assert (code, out, "3 events" in err) == (0, "", True)
    assert (head["type"], head["version"], head["channels"]) == ("recording", 1, ["logs"])
    assert "sesame" not in file.read_text()
    assert [one["position"] for one in events] == ["fake1:1", "fake1:2", "fake1:3"]
    assert events[0]["event"]["data"] == {"n": 0}
    assert [one["t"] for one in events] == sorted(one["t"] for one in events)


async def test_a_gap_stands_where_the_events_would_have_stood(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    async with FakeHub() as hub:
        process = await Process.start("record", str(file), "logs", "--fail-on-gap", "--url", hub.url)
        await process.noted("following logs")
        hub.restart_epoch("logs")
        await process.noted("missed")
        process.interrupt()
        assert (await process.ended())[0] == 8
    assert [one["gap"]["reason"] for one in rows(file)[1:]] == ["epoch"]


async def test_a_recording_can_go_into_a_pipe() -> None:
    async with FakeHub() as hub:
        hub.publish("logs", 1)
        code, out, _ = await run("record", "-", "logs", "--from", "last:1", "-n", "1", "--url", hub.url)
    assert (code, [next(iter(json.loads(one))) for one in out.splitlines()]) == (0, ["type", "t"])


async def test_a_recording_is_published_again_on_another_channel_in_its_order(tmp_path: Path) -> None:
    lines = [line(n, t=n / 100, key=f"k{n}", tags={"n": str(n)}) for n in range(1, 6)]
    gap = '{"t":0.1,"gap":{"type":"gap","channel":"logs","from":"a:5","to":"a:9","missed":4,"reason":"slow"}}'
    file = written(tmp_path / "run.jsonl", *lines, gap)
    async with FakeHub() as hub:
        code, out, err = await run("replay", str(file), "--as", "logs=actions", "--speed", "max", NG_URL=hub.url)
        stored = hub.logs["actions"].entries
    assert code == 0
    told = [json.loads(one) for one in out.splitlines()]
    assert [(one["from"], one["channel"]) for one in told] == [(f"a:{n}", "actions") for n in range(1, 6)]
    assert [(one["event"], one["data"], one["key"], one["tags"]) for one in stored] == [
        ("e", n, f"k{n}", {"n": str(n)}) for n in range(1, 6)
    ]
    assert "5 events published" in err
    assert "the recording has 1 gap: what is missing there is not replayed" in err


async def test_a_replay_keeps_the_pace_and_a_dry_one_publishes_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "run.jsonl", line(1, t=5.0), line(2, t=5.6))
    async with FakeHub() as hub:
        code, out, err = await run("replay", str(file), "--dry-run", "--speed", "2", NG_URL=hub.url)
        assert (code, json.loads(out)) == (0, {"channel": "logs", "events": 2})
        assert "nothing was published" in err
        assert hub.received == []
        code, _, _ = await run("replay", str(file), "--speed", "2", "-q", NG_URL=hub.url)
        first, second = hub.logs["logs"].entries
    assert code == 0
    assert second["ts"] - first["ts"] >= 0.29


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ':1: expected {"type":"recording","version":1,…} first'),
        ("not json", ":1: expected a JSON object, got 'not json'"),
        ('{"type":"event"}', ':1: expected {"type":"recording","version":1,…} first'),
        (f'{HEAD}\n{{"t":1,"pos', ":2: expected a whole line, which this last one was to be, got "),
        (f"{HEAD}\n[1]", ":2: expected a JSON object, got '[1]'"),
        (f'{HEAD}\n{{"t":1}}', ":2: expected t, and event with its position or gap"),
        (f'{HEAD}\n{{"t":1,"event":{{"channel":"logs"}}}}', ":2: expected an event with its name and position"),
    ],
)
def test_a_file_that_is_no_recording_is_told_with_its_line(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(content)
    with pytest.raises(Failed) as failed:
        list(recorded(file))
    assert told in failed.value.message


async def test_a_recording_that_is_cut_off_is_refused_alike_before_anything_is_done(tmp_path: Path) -> None:
    file = tmp_path / "torn.jsonl"
    event = '{"t":0.1,"position":"a:1","event":{"type":"event","channel":"logs","event":"e","offset":1,"data":1}}'
    file.write_text(f"{HEAD}\n{event}\n{event[:40]}")
    async with FakeHub() as hub:
        replayed = await run("replay", str(file), NG_URL=hub.url)
        assert hub.received == []
    dry = await run("replay", str(file), "--dry-run")
    compared = await run("diff", str(file), str(file))
    for code, _, err in (replayed, dry, compared):
        assert (code, "torn.jsonl:3: expected a whole line, which this last one was to be" in err) == (2, True)
        assert f"next: what is whole: head -n 2 {file}" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--speed", "0"), "--speed: expected a number above 0 like 2 or 0.5, or max, got '0'"),
        (("--as", "logs"), "--as: expected FROM=TO, got 'logs'"),
    ],
)
async def test_a_replay_that_makes_no_sense_is_told(arguments: tuple[str, ...], told: str) -> None:
    code, _, err = await run("replay", "none.jsonl", *arguments)
    assert (code, told in err) == (2, True)
    assert (await run("replay", "none.jsonl"))[0] == 2


async def test_recordings_of_one_history_are_compared_by_place(tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", line(1), line(2), line(3))
    b = written(tmp_path / "b.jsonl", line(1), line(3, data="other"), line(4))
    code, out, err = await run("diff", str(a), str(b))
    found = [json.loads(one) for one in out.splitlines()]
    assert code == 1
    assert [(one["what"], one.get("position_a"), one.get("position_b")) for one in found] == [
        ("only_a", "a:2", None),
        ("changed", "a:3", "a:3"),
        ("only_b", None, "a:4"),
    ]
    assert "logs: 3 and 3 events, 3 differences" in err
    code, out, _ = await run("diff", str(a), str(b), "--format", "compact")
    assert [one[0] for one in out.splitlines()] == ["<", "!", "<", ">", ">"]


async def test_a_replay_is_compared_by_content_and_is_the_same(tmp_path: Path) -> None:
    a = written(tmp_path / "a.jsonl", line(1), line(2), line(3))
    b = written(tmp_path / "b.jsonl", *(line(n, position=f"other:{n + 10}") for n in (1, 2, 3)))
    code, out, _ = await run("diff", str(a), str(b))
    assert (code, out) == (0, "")
    c = written(tmp_path / "c.jsonl", *(line(n, position=f"other:{n + 10}") for n in (2, 1, 3)))
    code, out, _ = await run("diff", str(a), str(c))
    assert (code, {json.loads(one)["what"] for one in out.splitlines()}) == (1, {"only_a", "only_b"})


async def test_a_real_hub_is_recorded_replayed_and_found_the_same(tmp_path: Path) -> None:
    rooms = {"room:*": {"subscribe": ["admin"], "broadcast": ["admin"]}}
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    with RunningHub(channels=rooms) as hub:
        environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin")}
        lines = b"".join(b'{"n":%d}\n' % n for n in range(5))
        await run("pub", "room:a", "-", "--event", "app.line", stdin=lines, among=environ)
        await run("record", str(first), "room:a", "--from", "last:5", "-n", "5", among=environ)
        code, _, _ = await run("replay", str(first), "--as", "room:a=room:b", "--speed", "max", among=environ)
        assert code == 0
        await run("record", str(second), "room:b", "--from", "last:5", "-n", "5", among=environ)
    renamed = second.read_text().replace('"room:b"', '"room:a"')
    second.write_text(renamed)
    assert (await run("diff", str(first), str(second)))[:2] == (0, "")
