"""The live view: what it counts, how often it is sent, and what its script draws."""

import json
import shutil
import subprocess
import threading
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from neurograph_jupyter import NotebookSession
from neurograph_jupyter.live import PAUSE, SCRIPT
from neurograph_jupyter.pulse import BUCKETS, LINES, Pulse
from neurograph_ws_client import Event, Gap

from tests.support.hub import RunningHub

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def event(offset: int, data: Any) -> Event[Any]:
    return Event({"channel": "c", "event": "e", "offset": offset, "ts": 1.0, "key": "k", "data": data}, "ep")


def test_a_pulse_counts_by_half_seconds_and_forgets_after_a_minute() -> None:
    pulse = Pulse("c")
    for offset in range(30):
        pulse.add(event(offset, {"is_novel": offset % 3 == 0, "payload": {"text": "<b>"}, "x": 1}), 100.0 + offset / 10)
    pulse.add(Gap("c", "ep:1", "ep:3", 2, "slow"), 103.0)
    state = pulse.state(103.1, "connected")
    assert state["bars"] == [[6, 5, 2], [5, 5, 2], [4, 5, 1], [3, 5, 2], [2, 5, 2], [1, 5, 1]]
    assert (state["total"], state["novel"], state["missed"]) == (30, 10, 2)
    assert len(state["lines"]) == LINES
    assert state["lines"][0]["kind"] == "gap"
    assert (state["lines"][1]["text"], state["lines"][1]["kind"]) == ("<b>  x 1", "event")
    assert json.loads(json.dumps(state)) == state
    assert pulse.state(103.0 + BUCKETS, "connected")["bars"] == []


@pytest.mark.accept("J14")
def test_the_widget_is_sent_at_most_ten_states_a_second(hub: RunningHub, session: NotebookSession) -> None:
    view = session.live("signals")
    sent: list[float] = []
    is_complete = threading.Event()

    def on_state(change: Any) -> None:
        sent.append(monotonic())
        if change.new["total"] == 300:
            is_complete.set()

    view.widget.observe(on_state, "state")
    for number in range(300):
        session.emit("signal.x", [number / 300] * 8)
    assert is_complete.wait(20)
    assert view.sent == len(sent) < 300
    # A timer may be early by the resolution of the loop's clock.
    assert min(after - before for before, after in pairwise(sent)) > PAUSE - 0.01
    assert repr(view) == "<LiveView of signals: 300 events>"
    assert "application/vnd.jupyter.widget-view+json" in view._repr_mimebundle_()[0]
    view.stop()
    assert view.widget.state["status"] == "stopped"


@pytest.mark.accept("J14")
def test_a_connection_that_is_away_is_shown_though_nothing_comes(session: NotebookSession) -> None:
    view = session.live("logs")
    away = threading.Event()

    def on_state(change: Any) -> None:
        if change.new["status"] != "connected":
            away.set()

    view.widget.observe(on_state, "state")
    view.feed.stop()
    assert away.wait(20)
    view.stop()


@pytest.mark.accept("J14")
def test_its_script_is_one_small_file_that_loads_nothing_and_makes_no_markup() -> None:
    script = SCRIPT.read_text()
    assert len(script.encode()) <= 20_000
    assert [
        word for word in ("http", "import(", "innerHTML", "insertAdjacentHTML", "eval", "fetch") if word in script
    ] == []
    assert "import " not in script


@needs_node
def test_its_script_draws_at_most_ten_times_a_second_and_writes_text_only(tmp_path: Path) -> None:
    state = Pulse("c").state(100.0, "connected") | {
        "bars": [[0, 4, 1], [1, 10, 0], [119, 2, 0]],
        "lines": [{"kind": "novel", "time": "1", "event": "<script>", "key": "", "text": "<img>"}],
    }
    (tmp_path / "live.mjs").write_bytes(SCRIPT.read_bytes())
    (tmp_path / "run.mjs").write_text(_HARNESS.replace("STATE", json.dumps(state)))
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["bars"] == [[595, 4, 40, 10], [590, 4, 100, 0], [0, 4, 20, 0]]
    # 10 events in five seconds; then the newest bar too; then none.
    assert told["rates"] == [2, 2.8, 0]
    assert told["delays"] == [100, 100]
    assert (told["texts"].count("<script>"), told["texts"].count("<img>")) == (told["paints"], told["paints"])
    assert told["paints"] == 3
    assert told["left"] == 0


# A document of which only what the script uses exists; time stands still until the test moves it.
_HARNESS = """
let now = 1000, paints = 0;
const timers = new Map(), delays = [], texts = [], listeners = new Set();
Date.now = () => now;
globalThis.setTimeout = (act, delay) => { delays.push(delay); timers.set(delays.length, act); return delays.length; };
globalThis.clearTimeout = (id) => timers.delete(id);
globalThis.setInterval = () => 7;
globalThis.clearInterval = () => {};
const pen = new Proxy({}, { get: () => () => {}, set: () => true });
class Element {
  constructor(name) { this.name = name; this.children = []; }
  set textContent(text) { texts.push(text); }
  append(child) { this.children.push(child); }
  replaceChildren() { this.children = []; }
  getContext() { paints += 1; return pen; }
}
globalThis.document = { createElement: (name) => new Element(name) };
const { default: view, bars, rate } = await import("./live.mjs");
const state = STATE;
const model = {
  get: () => state,
  on: (_, act) => listeners.add(act),
  off: (_, act) => listeners.delete(act),
};
const end = view.render({ model, el: new Element("div") });
const changed = () => { for (const act of listeners) act(); };
for (let round = 0; round < 2; round++) {
  for (let n = 0; n < 50; n++) changed();
  now += 100;
  for (const [id, act] of [...timers]) { timers.delete(id); act(); }
}
end();
const rates = [0, 1, 20].map((shift) => rate(state, shift));
console.log(JSON.stringify({ bars: bars(state, 0, 600, 100), rates, delays, texts, paints, left: listeners.size }));
"""
