"""A session against a real hub."""

import asyncio
from pathlib import Path

import pytest
from neurograph_jupyter import NotebookError, NotebookSession, QueryError
from neurograph_jupyter.feed import MAX_TOLD
from neurograph_jupyter.session import MAX_FEEDS
from neurograph_ws_client import BadRequest, Disconnected, Event, PermissionDenied

from tests.support.hub import RunningHub

TEXTS = ("disk failing on db4", "Disk failing on DB4!", "login refused for ann", "payment accepted")


@pytest.mark.accept("J1", "J2", "J11")
def test_questions_are_answered_from_the_tokens_of_the_hub(session: NotebookSession) -> None:
    first, second, *_ = [session.emit("signal.input.text", text, priority=200) for text in TEXTS]
    session.emit("signal.sensor", [0.9] * 8, priority=10)
    assert (first.is_novel, second.is_novel, second.neighbors[0].token_id) == (True, False, first.token_id)
    found = session.query("find all nodes where type='signal.input.text' and not is_novel")
    assert [row.token_id for row in found] == [second.token_id]
    assert [row.token_id for row in session.query("find all nodes limit 2")] == [5, 4]
    assert "limit reached" in session.query("find all nodes limit 2").note
    assert [row.type for row in session.query("find all nodes where dim.abstract > 0.85")] == ["signal.sensor"]
    near = session.query("find neighbors of 'disk failing on db4' within 0.01")
    assert {row.token_id for row in near} == {first.token_id, second.token_id}
    assert (near[0].distance, near[0].similarity) == (0.0, 1.0)
    assert [row.token_id for row in session.query(f"find neighbors of {[0.9] * 8} limit 1")] == [5]
    by_priority = session.query("find neighbors of 'disk' where priority < 100")
    assert [row.token_id for row in by_priority] == [5]
    with pytest.raises(QueryError, match="find all nodes"):
        session.query("drop table")


def test_all_nodes_are_read_page_by_page(session: NotebookSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurograph_jupyter.session.PAGE", 3)
    for number in range(8):
        session.emit("signal.x", [number / 8] * 8, priority=number)
    assert [row.token_id for row in session.query("find all nodes")] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert [row.token_id for row in session.query("find all nodes where priority <= 1 limit 5")] == [2, 1]
    monkeypatch.setattr("neurograph_jupyter.session.MAX_SCANNED", 4)
    assert session.query("find all nodes where priority <= 1").note == "of the newest 4 tokens"


@pytest.mark.accept("J15")
def test_pictures_know_the_connections_of_the_hub(hub: RunningHub, session: NotebookSession) -> None:
    one, other = (session.emit("signal.x", [place] * 8).token_id for place in (0.1, 0.9))
    hub.hub.signals.create_connection(one, other, kind="similar")
    [link] = session.query("find all nodes").links()
    assert ({link.token_a, link.token_b}, link.kind) == ({one, other}, "similar")


@pytest.mark.accept("J14")
def test_a_feed_brings_what_the_filter_lets_through_behind_what_was_there(session: NotebookSession) -> None:
    position = session.publish("actions", {"n": 1}, event="done")
    feed = session.subscribe("actions", last=5)
    assert [row.position for row in feed.events()] == [position]
    only = session.subscribe("actions", filter="n > 2")
    for number in (2, 3):
        session.publish("actions", {"n": number}, event="done")
    assert [row.n for row in feed.wait(3).events()] == [1, 2, 3]
    assert [row.n for row in only.wait(1).events()] == [3]
    both = session.subscribe("actions", filter="n < 3", last=3, name="both")
    assert [row.n for row in both.wait(2).events()] == [1, 2]
    session.drop("both")
    assert (list(session.feeds), len(feed)) == (["actions 1", "actions 2"], 3)
    assert "3 came, connected" in feed._repr_html_()
    session.drop("actions 1")
    session.publish("actions", {"n": 4}, event="done")
    assert [row.n for row in only.wait(2).events()] == [3, 4]
    assert (len(feed), feed.state, list(session.feeds)) == (3, "closed", ["actions 2"])


def test_a_handler_that_fails_is_told_counted_and_called_again(
    session: NotebookSession, capsys: pytest.CaptureFixture[str]
) -> None:
    handled: list[int] = []

    def handler(event: Event[dict[str, int]]) -> None:
        handled.append(event["n"])
        raise RuntimeError(f"no {event['n']}")

    feed = session.subscribe("actions", handler, name="mine")
    for number in range(10):
        session.publish("actions", {"n": number})
    asyncio.run(feed.until_handled(10))
    with pytest.raises(TimeoutError, match=r"expected 11 events to be handled, 10 were in 0\.01 s"):
        asyncio.run(feed.until_handled(11, timeout=0.01))
    session.drop("mine")
    assert (handled, feed.failures) == (list(range(10)), 10)
    told = capsys.readouterr().err
    assert told.count("RuntimeError: no ") == MAX_TOLD
    # A traceback begins in the user's own code.
    assert (told.count("in handler"), "feed.py" in told) == (MAX_TOLD, False)
    assert told.endswith("mine: further errors are counted in `failures` only\n")
    assert "the handler failed 10 times" in repr(feed)


def test_what_is_wrong_is_said_and_leaves_the_session_as_it_is(hub: RunningHub, session: NotebookSession) -> None:
    with pytest.raises(QueryError, match="filter: expected a number"):
        session.subscribe("signals", filter="priority >=")
    with pytest.raises(BadRequest):
        session.subscribe("signals", filter={"data.x": {"above": 1}})
    with pytest.raises(TimeoutError, match=r"signals: expected 1 events, came 0 in 0\.01 s"):
        session.subscribe("signals", name="idle").wait(1, timeout=0.01)
    assert list(session.feeds) == ["idle"]
    for _ in range(MAX_FEEDS - 1):
        session.subscribe("metrics")
    with pytest.raises(NotebookError, match=f"expected at most {MAX_FEEDS} feeds"):
        session.subscribe("metrics")
    with NotebookSession(hub.url) as anonymous, pytest.raises(PermissionDenied):
        anonymous.emit("signal.x", [0.1] * 8)
    session.close()
    with pytest.raises(NotebookError, match="the session is closed"):
        session.emit("signal.x", [0.1] * 8)
    with pytest.raises(Disconnected):
        NotebookSession("ws://127.0.0.1:9/ws").connect()


@pytest.mark.accept("J11")
def test_a_session_with_a_path_goes_on_where_the_last_one_ended(hub: RunningHub, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    with NotebookSession(hub.url, token=hub.token("admin"), path=file) as first:
        feed = first.subscribe("signals")
        first.emit("signal.x", [0.1] * 8)
        feed.wait(1)
    with RunningHub() as other, NotebookSession(other.url, token=other.token("admin"), path=file) as second:
        second.emit("signal.y", [0.2] * 8)
        events = second.events("signals")
        assert [row.event for row in events] == ["signal.x", "signal.y"]
        assert events.note == "of them from the recording 1"
        assert {row.name for row in second.overview()} >= {"recording", "role", "tokens"}
        assert [row.name for row in second.channels()][:2] == ["metrics", "signals"]
        assert "2 feeds" not in repr(second)


SAME = (
    "priority >= 10",
    "is_novel",
    "not is_novel and priority < 15",
    "nearest_dist < 0.05 or nearest_dist missing",
    "nearest_dist exists and not nearest_dist > 0.01",
    "dim.emotional > 0.5 and dim.abstract <= 0.9",
    "priority in [1, 2, 3] or priority == 19",
    "vector *= 0.5",
    "near([0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5], 0.3)",
)


@pytest.mark.clause("F3", "F4", "F5", "F7")
def test_a_condition_of_a_question_means_what_the_same_filter_means_at_the_hub(session: NotebookSession) -> None:
    feeds = [session.subscribe("signals", filter=f"({one}) or priority == 255") for one in SAME]
    for number in range(20):
        session.emit("signal.x", [number % 7 / 8] * 8, priority=number)
    end = session.emit("signal.end", [0.99] * 8, priority=255).token_id
    for condition, feed in zip(SAME, feeds, strict=True):
        while not (rows := feed.events()) or rows[-1].token_id != end:
            feed.wait(len(rows) + 1)
        found = session.query(f"find all nodes where ({condition}) or priority == 255")
        assert [row.token_id for row in found][::-1] == [row.token_id for row in rows], condition
        assert len(rows) > 1, condition
