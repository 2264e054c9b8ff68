"""The wire checker: journals of a correct hub pass, and every seeded fault is caught by the rule meant for it."""

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ng_ws.verify.history import HistoryError
from ng_ws.verify.rules import Findings
from ng_ws.verify.wire_checker import WireChecker

from tests.cli.verify.wire_model import ACTIONS, Line, journals

TEN_SECONDS = 10_000_000_000

actions = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5)), max_size=100)

Fault = Callable[[list[Line], Random], bool]
FAULTS: dict[str, tuple[str, Fault]] = {}


def judged(lines: list[Line]) -> Findings:
    checker = WireChecker()
    for line in lines:
        checker.take(line)
    return checker.finish()


def fault(name: str, rule: str) -> Callable[[Fault], Fault]:
    def enter(function: Fault) -> Fault:
        FAULTS[name] = (rule, function)
        return function

    return enter


def of(lines: list[Line], kind: str, way: str = "in") -> list[int]:
    return [number for number, line in enumerate(lines) if line["dir"] == way and line["msg"]["type"] == kind]


def chosen(random: Random, places: list[Any]) -> Any:
    return random.choice(places) if places else None


def after(lines: list[Line], number: int, kind: str) -> list[int]:
    """Later messages of a kind on the same connection."""
    line = lines[number]
    return [
        other
        for other in of(lines, kind)
        if other > number and (lines[other]["c"], lines[other]["conn"]) == (line["c"], line["conn"])
    ]


@fault("an offset twice on a connection", "I2")
def offset_twice(lines: list[Line], random: Random) -> bool:
    place = chosen(random, of(lines, "event"))
    lines.insert(place + 1, deepcopy(lines[place]))
    return True


@fault("an event before the subscription", "I2")
def before_the_start(lines: list[Line], random: Random) -> bool:
    start = chosen(random, of(lines, "subscribed"))
    channel = next(iter(lines[start]["msg"]["channels"]))
    places = [number for number in after(lines, start, "event") if lines[number]["msg"]["channel"] == channel]
    if not places:
        return False
    lines.insert(start, lines.pop(places[0]))
    return True


@fault("an event after the end", "I2")
def after_the_end(lines: list[Line], random: Random) -> bool:
    end = chosen(random, of(lines, "unsubscribed"))
    (channel,) = lines[end]["msg"]["channels"]
    event = {"type": "event", "channel": channel, "offset": 1 << 30, "event": "e", "ts": 0.0, "data": 1}
    lines.insert(end + 1, {**lines[end], "msg": event})
    return True


@fault("an event without the right", "I2")
def without_right(lines: list[Line], random: Random) -> bool:
    event = lines[chosen(random, of(lines, "event"))]
    for line in lines:
        if line["dir"] == "in" and line["msg"]["type"] == "welcome" and line["c"] == event["c"]:
            line["msg"]["channels"] = {**line["msg"]["channels"], event["msg"]["channel"]: {"rights": ["broadcast"]}}
    return True


@fault("a hole", "I3")
def hole(lines: list[Line], random: Random) -> bool:
    places = []
    for number in of(lines, "event"):
        later = [lines[other]["msg"] for other in after(lines, number, "event")]
        channel, offset = lines[number]["msg"]["channel"], lines[number]["msg"]["offset"]
        if any(message["channel"] == channel and message["offset"] == offset + 1 for message in later):
            places.append(number)
    place = chosen(random, places)
    if place is None:
        return False
    del lines[place]
    return True


def moved_start(lines: list[Line], random: Random, by: int) -> bool:
    """The welcome of a resume starts elsewhere than was presented."""
    places = []
    for number in of(lines, "welcome"):
        for told in lines[number]["msg"].get("subscriptions", {}).values():
            epoch, _, offset = told["position"].partition(":")
            if int(offset) + by >= 0:
                places.append((told, f"{epoch}:{int(offset) + by}"))
    place = chosen(random, places)
    if place is None:
        return False
    place[0]["position"] = place[1]
    return True


@fault("a start later than presented", "I3")
def later_start(lines: list[Line], random: Random) -> bool:
    return moved_start(lines, random, 1)


@fault("a start earlier than presented", "I3")
def earlier_start(lines: list[Line], random: Random) -> bool:
    return moved_start(lines, random, -1)


@fault("a gap swallowed", "I3")
def gap_swallowed(lines: list[Line], random: Random) -> bool:
    """A position whose past is gone simply starts at what is kept."""
    places = []
    for number in of(lines, "welcome"):
        for channel, told in lines[number]["msg"].get("subscriptions", {}).items():
            start = (channel, told["position"])
            gaps = [(other, lines[other]["msg"]) for other in after(lines, number, "gap")[:2]]
            places += [(told, other) for other, gap in gaps if (gap["channel"], gap["from"]) == start]
    place = chosen(random, places)
    if place is None:
        return False
    told, gap = place
    told["position"] = lines[gap]["msg"]["to"]
    del lines[gap]
    return True


@fault("a gap that begins elsewhere", "I3")
def gap_elsewhere(lines: list[Line], random: Random) -> bool:
    message = lines[chosen(random, of(lines, "gap"))]["msg"]
    epoch, _, offset = message["from"].partition(":")
    message["from"] = f"{epoch}:{int(offset) + 1}"
    return True


@fault("a gap that tells too many", "I3")
def gap_counts(lines: list[Line], random: Random) -> bool:
    places = [number for number in of(lines, "gap") if lines[number]["msg"]["missed"]]
    place = chosen(random, places)
    if place is None:
        return False
    lines[place]["msg"]["missed"] += 1
    return True


@fault("another content at a place", "I1")
def another_content(lines: list[Line], random: Random) -> bool:
    seen: dict[tuple[Any, ...], list[int]] = {}
    for number in of(lines, "event"):
        message = lines[number]["msg"]
        seen.setdefault((message["channel"], message["data"]["n"]), []).append(number)
    twice = [numbers for numbers in seen.values() if len(numbers) > 1]
    if not twice:
        return False
    lines[random.choice(random.choice(twice))]["msg"]["ts"] += 1
    return True


@fault("an old epoch again", "I1")
def old_epoch(lines: list[Line], random: Random) -> bool:
    gaps = [number for number in of(lines, "gap") if lines[number]["msg"]["reason"] == "epoch"]
    gap = chosen(random, gaps)
    if gap is None:
        return False
    message = lines[gap]["msg"]
    back = {**message, "from": message["to"], "to": message["from"]}
    lines.insert(gap + 1, {**lines[gap], "msg": back})
    return True


@fault("a watermark past what came", "I4")
def watermark(lines: list[Line], random: Random) -> bool:
    places = [number for number in of(lines, "ack") if "id" not in lines[number]["msg"]]
    place = chosen(random, places)
    if place is None:
        return False
    positions = lines[place]["msg"]["positions"]
    for channel, position in positions.items():
        epoch, _, offset = position.partition(":")
        positions[channel] = f"{epoch}:{int(offset) + 1}"
    return True


@fault("another cursor presented", "I4")
def presented(lines: list[Line], random: Random) -> bool:
    positions = lines[chosen(random, of(lines, "connect", "out"))]["msg"]["positions"]
    channel = random.choice(sorted(positions))
    positions[channel] = f"{positions[channel].partition(':')[0]}:{1 << 30}"
    return True


@fault("handled and never came", "I4")
def handled_unseen(lines: list[Line], random: Random) -> bool:
    line = lines[chosen(random, [number for number, line in enumerate(lines) if line["dir"] == "handled"])]
    line["position"] = f"{line['position'].partition(':')[0]}:{1 << 30}"
    return True


@fault("handled twice", "I5")
def handled_twice(lines: list[Line], random: Random) -> bool:
    place = chosen(random, [number for number, line in enumerate(lines) if line["dir"] == "handled"])
    lines.insert(place + 1, dict(lines[place]))
    return True


@fault("an id answered twice", "I6")
def answered_twice(lines: list[Line], random: Random) -> bool:
    place = chosen(random, of(lines, "ack") + of(lines, "subscribed") + of(lines, "error"))
    if "id" not in lines[place]["msg"]:
        return False
    lines.insert(place + 1, deepcopy(lines[place]))
    return True


@fault("an id that is never answered", "I6")
def never_answered(lines: list[Line], random: Random) -> bool:
    """The hub goes on talking on that connection for ten seconds."""
    places = [number for number in of(lines, "ack") if "id" in lines[number]["msg"] and after(lines, number, "event")]
    place = chosen(random, places)
    if place is None:
        return False
    del lines[place]
    for line in lines[place:]:
        line["t"] += TEN_SECONDS
    return True


@fault("an answer to nothing", "I6")
def answer_to_nothing(lines: list[Line], random: Random) -> bool:
    place = chosen(random, of(lines, "event"))
    lines.insert(place, {**lines[place], "msg": {"type": "pong", "id": "never"}})
    return True


def acknowledged(lines: list[Line]) -> list[tuple[dict[str, Any], str, str]]:
    """Positions of acks, with their channel and position."""
    messages = [lines[number]["msg"] for number in of(lines, "ack") if "id" in lines[number]["msg"]]
    return [(message["positions"], *next(iter(message["positions"].items()))) for message in messages]


@fault("a position of somebody else", "I6")
def position_of_another(lines: list[Line], random: Random) -> bool:
    found = acknowledged(lines)
    pairs = [
        (one, other[2])
        for one in found
        for other in found
        if one[1] == other[1] and one[2] != other[2] and one[2].partition(":")[0] == other[2].partition(":")[0]
    ]
    (positions, channel, _), position = random.choice(pairs)
    positions[channel] = position
    return True


@fault("refused and seen", "I6")
def refused_and_seen(lines: list[Line], random: Random) -> bool:
    seen = {(lines[number]["msg"]["channel"], lines[number]["msg"]["data"]["n"]) for number in of(lines, "event")}
    places = []
    for number in of(lines, "publish", "out"):
        message = lines[number]["msg"]
        if (message["channel"], message["data"]["n"]) in seen:
            answers = [other for other in after(lines, number, "ack") if lines[other]["msg"].get("id") == message["id"]]
            places += answers[:1]
    place = chosen(random, places)
    lines[place]["msg"] = {"type": "error", "id": lines[place]["msg"]["id"], "code": 403, "error": "forbidden"}
    return True


@fault("a mid at two positions", "I6")
def mid_twice(lines: list[Line], random: Random) -> bool:
    """A repeat is stored again, of all places where nothing is known yet."""
    place = chosen(random, of(lines, "publish", "out"))
    message = lines[place]["msg"]
    answers = [other for other in after(lines, place, "ack") if lines[other]["msg"].get("id") == message["id"]]
    if not answers:
        return False
    answer = answers[0]
    channel = message["channel"]
    epoch = lines[answer]["msg"]["positions"][channel].partition(":")[0]
    again = {**message, "id": "again"}
    told = {"type": "ack", "id": "again", "positions": {channel: f"{epoch}:{1 << 30}"}}
    lines[answer + 1 : answer + 1] = [{**lines[answer], "dir": "out", "msg": again}, {**lines[answer], "msg": told}]
    return True


@pytest.mark.clause("I0", "I1", "I2", "I3", "I4", "I5", "I6")
@given(actions)
@settings(max_examples=100, deadline=None)
def test_the_journals_of_a_correct_hub_pass(drawn: list[tuple[str, int]]) -> None:
    assert [str(one) for one in judged(journals(drawn)).kept] == []


@pytest.mark.parametrize("name", FAULTS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=actions, seed=st.integers(0, 1 << 30))
def test_a_seeded_fault_of_the_wire_is_caught(name: str, drawn: list[tuple[str, int]], seed: int) -> None:
    rule, put = FAULTS[name]
    lines = journals(drawn)
    assume(put(lines, Random(seed)))
    findings = judged(lines)
    assert rule in findings.counts, [str(one) for one in findings.kept]


@pytest.mark.parametrize("name", FAULTS)
def test_the_faults_of_the_wire_find_a_place_in_every_run(name: str) -> None:
    assert any(FAULTS[name][1](journals([]), Random(seed)) for seed in range(20))


def never_answered_beside(*faults: tuple[str, int]) -> Findings:
    """Faults that begin and heal at times of a run in which an answer is missing from its middle on."""
    lines = journals([])
    assert never_answered(lines, Random(1))
    told = [{"t": at, "e": "fault", "no": 1, "kind": "hole", "do": do} for do, at in faults]
    return judged(sorted([*lines, *told], key=lambda line: line["t"]))


@pytest.mark.clause("I6")
def test_an_answer_that_is_missing_beside_a_fault_proves_nothing() -> None:
    assert never_answered_beside(("begun", 5)).total == 0
    assert never_answered_beside(("begun", 5), ("healed", 40)).total == 0
    assert never_answered_beside(("begun", 2 * TEN_SECONDS)).counts["I6"] == 1
    assert never_answered_beside(("planned", 5)).counts["I6"] == 1


@pytest.mark.clause("I6")
def test_an_answer_is_awaited_while_the_hub_may_still_be_busy_with_it() -> None:
    lines = journals([])
    assert never_answered(lines, Random(1))
    for line in lines:
        line["t"] = line["t"] if line["t"] < TEN_SECONDS else line["t"] - TEN_SECONDS // 2
    assert judged(lines).total == 0


@pytest.mark.clause("I4", "M9", "P7")
def test_what_came_while_a_channel_was_unsubscribed_may_come_again_and_is_handled_once() -> None:
    """And the gap right behind it moves the cursor, as ever."""
    again = ("publish", "unsubscribe", "subscribe", "deliver", "handle", "rotate", "deliver", "cut", "connect")
    lines = journals([(name, 0) for name in again])
    *_, first, second = [lines[number]["msg"] for number in of(lines, "event") if lines[number]["c"] == "c0"]
    assert first == second
    assert [str(one) for one in judged(lines).kept] == []


def test_outcome_unknown_is_no_refusal() -> None:
    lines = journals([])
    assert refused_and_seen(lines, Random(1))
    for number in of(lines, "error"):
        lines[number]["msg"]["error"] = "outcome_unknown"
    assert judged(lines).total == 0


@pytest.mark.parametrize(
    "line",
    [
        {"t": 1, "conn": 1, "dir": "sideways"},
        {"t": 1, "conn": 1, "dir": "in", "msg": {"type": "welcome"}},
        {"t": 1, "dir": "close"},
    ],
)
def test_what_is_no_journal_is_refused_with_its_line(line: Line) -> None:
    with pytest.raises(HistoryError, match="line 1: expected a line of I0"):
        judged([line])


def test_lines_of_the_history_are_counted_and_passed_over() -> None:
    lines = [{"t": 0, "e": "run"}, *journals([])]
    place = of([line for line in lines if "dir" in line], "event")[0] + 1
    lines.insert(place + 1, deepcopy(lines[place]))
    (violation,) = judged(lines).kept
    assert place + 2 in violation.lines
