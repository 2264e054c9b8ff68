"""Faults that are put into a correct history, one of every kind; each names the rules of which one is meant for it.

A fault takes the lines and a way to choose, and changes them in place; None says that this history has no place for it.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Line = dict[str, Any]
Fault = Callable[[list[Line], Random], bool]

FAULTS: dict[str, tuple[str, Fault]] = {}


def fault(name: str, rule: str) -> Callable[[Fault], Fault]:
    def enter(function: Fault) -> Fault:
        FAULTS[name] = (rule, function)
        return function

    return enter


def seeded(name: str, lines: list[Line], random: Random) -> list[Line] | None:
    """The history with this fault in it, its times set anew."""
    lines = [dict(line) for line in lines]
    if not FAULTS[name][1](lines, random):
        return None
    return [{**line, "t": number * 1000} for number, line in enumerate(lines)]


# -- finding a place ---------------------------------------------------------------------------------------------------


def stream(lines: list[Line], line: Line) -> list[int]:
    """The numbers of the lines of one subscriber on one channel."""
    return [
        number for number, other in enumerate(lines) if other.get("s") == line["s"] and other.get("ch") == line["ch"]
    ]


def following(lines: list[Line], number: int) -> int | None:
    """The next line of the same stream."""
    return next((other for other in stream(lines, lines[number]) if other > number), None)


def is_(lines: list[Line], number: int | None, kind: str) -> bool:
    return number is not None and lines[number]["e"] == kind


def acks(lines: list[Line]) -> dict[str, Line]:
    return {line["id"]: line for line in lines if line["e"] == "ack"}


def pubs(lines: list[Line]) -> dict[str, Line]:
    return {line["id"]: line for line in lines if line["e"] == "pub"}


def chosen(random: Random, places: Sequence[Any]) -> Any:
    return random.choice(places) if places else None


def numbers(lines: list[Line], kind: str, *, acked: bool = False) -> list[int]:
    known = acks(lines)
    return [number for number, line in enumerate(lines) if line["e"] == kind and (not acked or line.get("id") in known)]


def pairs(lines: list[Line], first: str, second: str) -> list[tuple[int, int]]:
    """Neighbours in one stream."""
    found = []
    for number in numbers(lines, first):
        after = following(lines, number)
        if after is not None and lines[after]["e"] == second:
            found.append((number, after))
    return found


# -- the kinds ---------------------------------------------------------------------------------------------------------


def _lose_before(lines: list[Line], random: Random, kind: str) -> bool:
    """One acknowledged entry that was handled right before a line of this kind was not."""
    places = [number for number in numbers(lines, "msg", acked=True) if is_(lines, following(lines, number), kind)]
    place = chosen(random, places)
    if place is None:
        return False
    del lines[place]
    return True


@fault("lost", "V7")
def lost(lines: list[Line], random: Random) -> bool:
    return _lose_before(lines, random, "msg")


@fault("lost tail", "V7")
def lost_tail(lines: list[Line], random: Random) -> bool:
    return _lose_before(lines, random, "fin")


@fault("duplicate", "V3")
def duplicate(lines: list[Line], random: Random) -> bool:
    place = chosen(random, numbers(lines, "msg"))
    if place is None:
        return False
    later = [number for number in stream(lines, lines[place]) if number >= place and lines[number]["e"] == "msg"]
    at = chosen(random, [number for number in later if lines[number]["ep"] == lines[place]["ep"]])
    lines.insert(at + 1, dict(lines[place]))
    return True


@fault("swap", "V4")
def swap(lines: list[Line], random: Random) -> bool:
    pair = chosen(random, pairs(lines, "msg", "msg"))
    if pair is None:
        return False
    first, second = pair
    lines[first], lines[second] = lines[second], lines[first]
    return True


@fault("phantom", "V1")
def phantom(lines: list[Line], random: Random) -> bool:
    place = chosen(random, numbers(lines, "msg"))
    if place is None:
        return False
    lines[place]["id"] = "p9-1"
    return True


@fault("refused yet seen", "V1")
def refused_yet_seen(lines: list[Line], random: Random) -> bool:
    seen = {line["id"] for line in lines if line["e"] == "msg"}
    place = chosen(random, [number for number in numbers(lines, "ack") if lines[number]["id"] in seen])
    if place is None:
        return False
    lines[place] = {"t": 0, "e": "nak", "id": lines[place]["id"]}
    return True


@fault("wrong channel", "V1")
def wrong_channel(lines: list[Line], random: Random) -> bool:
    place = chosen(random, numbers(lines, "msg"))
    if place is None:
        return False
    channel = lines[place]["ch"]
    early = [line["id"] for line in lines[:place] if line["e"] == "pub" and line["ch"] != channel]
    other = chosen(random, early)
    if other is None:
        return False
    lines[place] |= {"id": other, "sum": f"sum of {other}"}
    return True


@fault("wrong content", "V1")
def wrong_content(lines: list[Line], random: Random) -> bool:
    place = chosen(random, numbers(lines, "msg"))
    if place is None:
        return False
    lines[place]["sum"] = "another sum"
    return True


@fault("recovery across an epoch", "V6")
def false_recovery(lines: list[Line], random: Random) -> bool:
    """A refused recovery into another epoch, told as granted."""
    places = [pair for pair in pairs(lines, "sub", "gap") if lines[pair[1]]["reason"] == "epoch"]
    pair = chosen(random, places)
    if pair is None:
        return False
    start, gap = pair
    epoch, _, offset = lines[gap]["to"].partition(":")
    lines[start] |= {"ep": epoch, "off": int(offset), "rec": True}
    del lines[gap]
    return True


@fault("recovery from elsewhere", "V6")
def recovery_from_elsewhere(lines: list[Line], random: Random) -> bool:
    place = chosen(random, [number for number in numbers(lines, "sub") if lines[number]["rec"]])
    if place is None:
        return False
    lines[place]["req"] = f"{lines[place]['ep']}:{lines[place]['off'] + 1}"
    return True


@fault("recovery misplaced", "V6")
def misplaced_recovery(lines: list[Line], random: Random) -> bool:
    place = chosen(random, [number for number in numbers(lines, "sub") if lines[number]["rec"]])
    if place is None:
        return False
    lines[place]["off"] += random.choice([1, 2])
    return True


@fault("hole behind a recovery", "V5")
def hole_behind(lines: list[Line], random: Random) -> bool:
    places = [
        second
        for first, second in pairs(lines, "sub", "msg")
        if lines[first]["rec"] and is_(lines, following(lines, second), "msg")
    ]
    place = chosen(random, places)
    if place is None:
        return False
    del lines[place]
    return True


def gap_places(lines: list[Line]) -> list[tuple[int, int]]:
    return [(gap, after) for gap, after in pairs(lines, "gap", "msg") if lines[gap]["from"] != lines[gap]["to"]]


@fault("gap missing", "V5")
def gap_missing(lines: list[Line], random: Random) -> bool:
    pair = chosen(random, gap_places(lines))
    if pair is None:
        return False
    del lines[pair[0]]
    return True


@fault("gap short", "V5")
def gap_short(lines: list[Line], random: Random) -> bool:
    places = []
    for gap, _ in gap_places(lines):
        epoch, _, offset = lines[gap]["to"].partition(":")
        if int(offset) > 0 and lines[gap]["from"] != f"{epoch}:{int(offset) - 1}":
            places.append((gap, f"{epoch}:{int(offset) - 1}"))
    place = chosen(random, places)
    if place is None:
        return False
    lines[place[0]]["to"] = place[1]
    return True


@fault("gap late", "V5")
def gap_late(lines: list[Line], random: Random) -> bool:
    pair = chosen(random, gap_places(lines))
    if pair is None:
        return False
    gap, after = pair
    lines[gap], lines[after] = lines[after], lines[gap]
    return True


@fault("gap too long", "V5")
def gap_too_long(lines: list[Line], random: Random) -> bool:
    pair = chosen(random, gap_places(lines))
    if pair is None:
        return False
    epoch, _, offset = lines[pair[0]]["to"].partition(":")
    lines[pair[0]]["to"] = f"{epoch}:{int(offset) + 1}"
    return True


@fault("early sight", "V10")
def early_sight(lines: list[Line], random: Random) -> bool:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines):
        if line["e"] in {"msg", "ack"}:
            seen.setdefault(line["id"], number)
    place = chosen(random, [number for number in numbers(lines, "pub") if lines[number]["id"] in seen])
    if place is None:
        return False
    first = seen[lines[place]["id"]]
    lines.insert(first, lines.pop(place))
    return True


@fault("two offsets", "V2")
def two_offsets(lines: list[Line], random: Random) -> bool:
    seen = {line["id"] for line in lines if line["e"] == "msg"}
    place = chosen(random, [number for number in numbers(lines, "ack") if lines[number]["id"] in seen])
    if place is None:
        return False
    lines[place]["off"] += 1000
    return True


def exchanged(lines: list[Line], one: Line, other: Line) -> None:
    """Two entries change places in the log, for everybody."""
    names = {one["id"]: other["id"], other["id"]: one["id"]}
    places = {line["id"]: (line["off"], line["ep"]) for line in lines if line["e"] == "ack" and line["id"] in names}
    for line in lines:
        if line.get("id") not in names:
            continue
        if line["e"] == "msg":
            line["id"] = names[line["id"]]
            line["sum"] = f"sum of {line['id']}"
        elif line["e"] == "ack":
            line["off"], line["ep"] = places[names[line["id"]]]


def neighbours_in_a_log(lines: list[Line], *, same_publisher: bool) -> list[tuple[Line, Line]]:
    """Acknowledged entries of one epoch, the second begun after the first was acknowledged."""
    sent, found = pubs(lines), []
    stored = [line for line in lines if line["e"] == "ack"]
    for number, one in enumerate(stored):
        for other in stored[number + 1 : number + 6]:
            first, second = sent[one["id"]], sent[other["id"]]
            is_same = first["pub"] == second["pub"]
            if first["ch"] == second["ch"] and one["ep"] == other["ep"] and is_same is same_publisher:
                found.append((one, other))
    return found


@fault("publisher order", "V8")
def publisher_order(lines: list[Line], random: Random) -> bool:
    pair = chosen(random, neighbours_in_a_log(lines, same_publisher=True))
    if pair is None:
        return False
    exchanged(lines, *pair)
    return True


@fault("real-time inversion", "V10")
def real_time(lines: list[Line], random: Random) -> bool:
    pair = chosen(random, neighbours_in_a_log(lines, same_publisher=False))
    if pair is None:
        return False
    exchanged(lines, *pair)
    return True


@fault("old epoch", "V9")
def old_epoch(lines: list[Line], random: Random) -> bool:
    """What was handled before the epoch changed comes once more after it."""
    places = [
        (number, gap)
        for gap, after in pairs(lines, "gap", "msg")
        for number in stream(lines, lines[gap])
        if number < gap and lines[number]["e"] == "msg" and lines[after]["ep"] != lines[number]["ep"]
    ]
    place = chosen(random, places)
    if place is None:
        return False
    before, gap = place
    after = following(lines, gap)
    assert after is not None
    lines.insert(after + 1, dict(lines[before]))
    return True


@fault("reused offset", "V2")
def reused_offset(lines: list[Line], random: Random) -> bool:
    """After a failover an entry stands where an acknowledged one stood."""
    pair = chosen(random, neighbours_in_a_log(lines, same_publisher=bool(random.getrandbits(1))))
    if pair is None:
        return False
    pair[1]["off"] = pair[0]["off"]
    return True


@fault("low head", "V11")
def low_head(lines: list[Line], random: Random) -> bool:
    place = chosen(random, numbers(lines, "fin"))
    if place is None:
        return False
    lines[place]["off"] -= 1
    return True
