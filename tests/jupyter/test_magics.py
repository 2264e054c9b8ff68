"""The magics in an IPython shell without a kernel."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from neurograph_jupyter import Feed, LiveView, NotebookSession, QueryResult

from hub import Runtime
from tests.support.hub import RunningHub

Run = Callable[[str], Any]
Refused = Callable[[str], str]


@pytest.fixture
def joined(hub: RunningHub, run: Run) -> NotebookSession:
    run(f"%neurograph init --url {hub.url} --token {hub.token('admin')}")
    session: NotebookSession = run("neurograph_db")
    return session


@pytest.mark.accept("J11", "J19", "J1")
def test_init_embedded_starts_a_hub_and_stop_ends_it(run: Run, refused: Refused) -> None:
    overview = run("%neurograph init --embedded")
    figures = {row.name: row.value for row in overview}
    assert (figures["role"], figures["connection"], figures["state"]) == ("admin", "connected", "ready")
    runtime = run("neurograph_db")._runtime
    assert runtime.status() == "running"
    run("%neurograph stop")
    assert runtime.status() == "stopped"
    for cell in ("%neurograph status", "%neurograph stop", "%%signal signals\npass", "%ng_stats"):
        assert refused(cell).startswith("no hub yet: expected %neurograph init")
    with pytest.raises(NameError):
        run("neurograph_db")


@pytest.mark.accept("J11")
def test_commands_answer_with_tables(joined: NotebookSession, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("%neurograph emit signal.input.text disk failing on db4").title == "token 1, new; nothing is near"
    near = run("%neurograph emit signal.input.text 'Disk failing on DB4!' --priority 7")
    assert (near.title, near[0].token_id) == ("token 2, known; near:", 1)
    assert run("%neurograph emit signal.x [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]").title.startswith("token 3, new")
    assert [row.priority for row in run("%neurograph query find all nodes")] == [128, 7, 200]
    for cell in (
        "%neurograph query \"find all nodes where type='signal.x'\"",
        "%neurograph query find all nodes where type='signal.x'",
        "%ng_query find all nodes where type = 'signal.x'",
    ):
        assert [row.token_id for row in run(cell)] == [3]
    assert [row.token_id for row in run("%ng_tokens 2")] == [3, 2]
    explored = run("%%ng_explore 0.3\ndisk's failing on db4\n\nlogin")
    assert {row.text for row in explored} >= {"disk's failing on db4"}
    for cell in ("%neurograph status", "%neurograph stats", "%neurograph channels", "%ng_status", "%ng_stats"):
        assert isinstance(run(cell), QueryResult)
    run("%neurograph help")
    assert capsys.readouterr().out.rstrip().endswith("%%signal CHANNEL [--filter EXPR] [--name N]")


@pytest.mark.accept("J12")
def test_the_body_of_a_cell_handles_events_until_it_is_replaced(
    joined: NotebookSession, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("seen, event = [], 'mine'")
    run("%%signal actions --filter 'n > 1' --name h\nseen.append(event['n'])\nprint('got', event.event)")
    feed = joined.feeds["h"]
    for number in (1, 2, 3):
        joined.publish("actions", {"n": number}, event="done")
    joined.drop(run("%%signal actions --name end\npass") or "end")
    feed.wait(2)
    run("%%signal actions --name h\nseen.append(-event['n'])")
    assert (feed.state, run("seen"), run("event")) == ("closed", [2, 3], "mine")
    joined.publish("actions", {"n": 4})
    joined.feeds["h"].wait(1)
    joined.drop("h")
    assert run("seen") == [2, 3, -4]
    assert capsys.readouterr().out.count("got done\n") == 2


@pytest.mark.accept("J12")
def test_a_body_that_is_no_python_is_refused_and_nothing_follows(joined: NotebookSession, run: Run) -> None:
    with pytest.raises(SyntaxError):
        run("%%signal actions\nif:")
    assert joined.feeds == {}


@pytest.mark.accept("J14")
def test_subscribe_gives_a_feed_or_a_view_that_moves(joined: NotebookSession, run: Run) -> None:
    joined.publish("actions", {"n": 1})
    feed = run("%neurograph subscribe actions --last 5")
    assert (isinstance(feed, Feed), len(feed)) == (True, 1)
    view = run("%neurograph subscribe signals --live --filter is_novel")
    assert isinstance(view, LiveView)
    assert list(joined.feeds) == ["actions 1", "live signals"]
    past = run("%neurograph subscribe actions --live --last 3")
    assert (past.widget.state["total"], len(past.widget.state["bars"])) == (1, 1)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("%neurograph query find everything", "expected all or neighbors, got 'everything'"),
        ("%neurograph subscribe", "the following arguments are required: CHANNEL"),
        ("%neurograph subscribe signals --last 0", "expected 1 to 1000, came '0'"),
        ("%neurograph subscribe 'signals", "No closing quotation"),
        ("%neurograph subscribe signals --filter 'a b'", "expected and, or, or the end"),
        ("%neurograph subscribe nowhere", "nowhere"),
        ("%neurograph emit signal.x [1,2]", "expected 8 numbers in [ ], came [1,2]"),
        ("%neurograph emit signal.x hello --priority 300", "expected 0 to 255, came '300'"),
        ("%neurograph dance", "invalid choice: 'dance'"),
        ("%%ng_explore\n ", "expected one text a line, came none"),
        ("%ng_tokens many", "expected a whole number"),
        ("%neurograph init --embedded --url ws://x/ws", "expected --embedded, or --url and --token, came both"),
        ("%neurograph init --url http://x", "url: expected one like ws://localhost:8000/ws"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_no_traceback(
    joined: NotebookSession, refused: Refused, cell: str, told: str
) -> None:
    assert told in refused(cell)


def test_url_and_token_come_from_the_environment_and_are_shown_nowhere(
    hub: RunningHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = hub.token("developer")
    monkeypatch.setenv("NG_URL", hub.url)
    monkeypatch.setenv("NG_TOKEN", token)
    overview = run("%neurograph init")
    assert ("role", "developer") in [(row.name, row.value) for row in overview]
    session = run("neurograph_db")
    shown = [overview._repr_html_(), repr(session), repr(session._rest), repr(session.stats()), session._repr_html_()]
    assert [text for text in shown if token in text] == []


def test_a_hub_that_cannot_be_reached_is_told_and_leaves_no_session(run: Run, refused: Refused) -> None:
    assert "cannot connect" in refused("%neurograph init --url ws://127.0.0.1:9/ws")
    assert "no hub yet" in refused("%neurograph status")


def test_embedded_without_the_server_says_what_is_missing(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hub", None)
    assert "--embedded needs the server neurograph-hub in this environment" in refused("%neurograph init --embedded")
    monkeypatch.setitem(sys.modules, "hub", types.ModuleType("hub"))
    assert "expected the package hub of neurograph-hub" in refused("%neurograph init --embedded")


def test_embedded_that_cannot_start_or_be_used_leaves_no_hub(
    refused: Refused, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NG_METRICS_INTERVAL", "never")
    assert "the hub does not start" in refused("%neurograph init --embedded")
    monkeypatch.delenv("NG_METRICS_INTERVAL")
    (tmp_path / "notes").write_text("mine")
    runtime = Runtime().start()
    monkeypatch.setattr("neurograph_jupyter.magics.start_hub", lambda: runtime)
    assert "expected a recording" in refused(f"%neurograph init --embedded --path {tmp_path / 'notes'}")
    assert runtime.status() == "stopped"


def test_unloading_ends_the_session(hub: RunningHub, shell: InteractiveShell, run: Run) -> None:
    run(f"%neurograph init --url {hub.url} --token {hub.token('admin')}")
    session = run("neurograph_db")
    run("%unload_ext neurograph_jupyter")
    assert session.state == "closed"
    run("%load_ext neurograph_jupyter")
