"""hub/logs.py: one JSON object a line, bounded, without secrets, and on channel `logs`."""

import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import hub
from channels.buckets import Rate
from hub import logs
from hub.logs import LineLimiter, LogChannel, LogOutput

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjF9.c2lnbmF0dXJl"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def output(stream: io.StringIO) -> Iterator[LogOutput]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield logs.configure(level="info", rate=Rate(100, 1), node="n1", stream=stream)
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    logs._output = None


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.accept("G4")
def test_a_line_is_one_object_with_time_level_event_and_node(output: LogOutput, stream: io.StringIO) -> None:
    structlog.get_logger("x").warning("auth.refused", reason="token_invalid", count=2)
    (line,) = lines(stream)
    assert isinstance(line.pop("ts"), float)
    assert line == {
        "level": "warning",
        "event": "auth.refused",
        "node": "n1",
        "reason": "token_invalid",
        "count": 2,
    }


def test_lines_below_the_level_are_not_written(output: LogOutput, stream: io.StringIO) -> None:
    structlog.get_logger().debug("http.request")
    assert lines(stream) == []


@pytest.mark.accept("G4")
def test_the_request_id_of_the_context_is_on_every_line(output: LogOutput, stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("a.b")
    structlog.get_logger().info("a.b")
    assert [line.get("request_id") for line in lines(stream)] == ["r1", None]


def test_id8_no_token_and_no_payload_reaches_a_line(output: LogOutput, stream: io.StringIO) -> None:
    structlog.get_logger().info("a.b", token=TOKEN, payload={"x": 1}, reason=f"bad {TOKEN}", url=f"/ws?token={TOKEN}")
    assert TOKEN not in stream.getvalue()
    assert lines(stream)[0]["payload"] == "***"


def test_users_are_hashed_unless_configured(output: LogOutput, stream: io.StringIO) -> None:
    structlog.get_logger().info("a.b", user="ann")
    assert re.fullmatch("u:[0-9a-f]{12}", lines(stream)[0]["user"])
    shown = io.StringIO()
    logs.configure(level="info", rate=Rate(10, 1), node="n1", shows_users=True, stream=shown)
    structlog.get_logger().info("a.b", user="ann")
    assert lines(shown)[0]["user"] == "ann"


def test_id12_no_value_can_make_a_second_line_or_move_the_cursor(output: LogOutput, stream: io.StringIO) -> None:
    structlog.get_logger().info("a.b", reason='x\n{"event":"forged"}\r\x1b[2J\u202e', channel="y" * 5_000)
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(lines(stream)[0]["channel"]) == 256


def test_an_exception_is_told_with_its_traceback(output: LogOutput, stream: io.StringIO) -> None:
    error = RuntimeError("boom")
    structlog.get_logger().error("http.failed", exc_info=error)
    assert "RuntimeError: boom" in lines(stream)[0]["exception"]


def test_what_libraries_log_becomes_lines_too(output: LogOutput, stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid %s", "request")
    logging.getLogger("uvicorn.error").info("Started")
    assert [(line["event"], line["logger"], line["reason"]) for line in lines(stream)] == [
        ("python.log", "uvicorn.error", "Invalid request")
    ]


def test_a_stream_that_fails_costs_the_line_and_nothing_else(output: LogOutput, stream: io.StringIO) -> None:
    stream.close()
    structlog.get_logger().info("a.b")
    assert output.limiter.dropped_total == 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_fl8_an_event_name_gets_its_rate_and_a_summary_once_a_minute() -> None:
    clock = Clock()
    limiter = LineLimiter(Rate(2, 1), clock)
    assert [limiter.admit("a.b") for _ in range(4)] == [True, True, False, False]
    assert limiter.admit("c.d")
    assert limiter.take_summary() is None
    clock.now = 60.0
    assert limiter.take_summary() == {"a.b": 2}
    assert limiter.take_summary() is None
    assert limiter.dropped_total == 2


def test_names_without_end_share_one_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_NAMES", 2)
    limiter = LineLimiter(Rate(1, 1), Clock())
    assert [limiter.admit(name) for name in ("a", "b", "c", "d")] == [True, True, True, False]


def collected() -> tuple[LogChannel, list[Any], list[Any]]:
    published: list[Any] = []
    scheduled: list[Any] = []
    return LogChannel(published.append, scheduled.append, most=3), published, scheduled


def test_records_of_one_turn_are_published_together() -> None:
    channel, published, scheduled = collected()
    channel({"event": "a"})
    channel({"event": "b"})
    assert len(scheduled) == 1
    scheduled[0]()
    channel({"event": "c"})
    scheduled[1]()
    assert published == [[{"event": "a"}, {"event": "b"}], [{"event": "c"}]]


def test_what_publishing_logs_is_not_published_again() -> None:
    published: list[Any] = []
    scheduled: list[Any] = []

    def publish(records: list[dict[str, Any]]) -> None:
        published.append(records)
        channel({"event": "about publishing"})

    channel = LogChannel(publish, scheduled.append)
    channel({"event": "a"})
    scheduled[0]()
    assert published == [[{"event": "a"}]]
    assert len(scheduled) == 1


def test_a_loop_that_hangs_lets_no_more_than_the_bound_wait() -> None:
    channel, published, scheduled = collected()
    for number in range(5):
        channel({"event": str(number)})
    scheduled[0]()
    assert [record["event"] for record in published[0]] == ["0", "1", "2"]
    assert channel.dropped_total == 2


def test_a_hub_gets_the_records_of_its_own_thread_and_those_of_threads_without_a_hub(output: LogOutput) -> None:
    mine: list[Any] = []
    other: list[Any] = []
    output.sinks = {threading.get_ident(): mine.append, -1: other.append}
    structlog.get_logger().info("a.here")
    thread = threading.Thread(target=lambda: structlog.get_logger().info("a.there"))
    thread.start()
    thread.join()
    assert [record["event"] for record in mine] == ["a.here", "a.there"]
    assert [record["event"] for record in other] == ["a.there"]


def test_event_names_in_the_code_are_fixed_words() -> None:
    """What varies stands in fields, so that lines can be counted and found."""
    calls = re.compile(r"\blog\.(?:debug|info|warning|error)\(\s*([^,)\s]+)")
    found = {
        (path.name, name)
        for path in Path(hub.__file__).parent.rglob("*.py")
        for name in calls.findall(path.read_text(encoding="utf-8"))
    }
    assert found
    fixed = re.compile(r'"[a-z]+(\.[a-z_]+)+"')
    assert {(file, name) for file, name in found if not fixed.fullmatch(name)} == {("actions.py", "action")}
