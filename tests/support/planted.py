"""The real hub with a bug patched in from outside, for `ng-ws verify --hub-command "python …/planted.py BUG"`.

Nothing of this is in the product: a run against a hub with one of these bugs has to be caught, or the checker is blind.
Resumption ends in `Broker.subscribe` with starts `("at", epoch, offset)`; the bugs change them on the way, or what a
restart finds on disk.
"""

import os
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

if __name__ == "__main__":
    # As a script this directory comes first, and it holds modules named like packages of the product.
    sys.path[0] = str(Path(__file__).parents[2])

from tests.support.planted_nodes import NODE_BUGS, plant_in_node

Start = Any
LARGEST = 1 << 40


class Log(NamedTuple):
    """What a bug may look at: the log at this moment, and its head as it was up to a second ago."""

    epoch: str
    first: int
    head: int
    noted: int | None = None


def off_by_one(start: Start, log: Log) -> Start:
    """The entry right after the position is passed over."""
    _, epoch, offset = start
    return ("at", epoch, offset + 1) if epoch == log.epoch and offset < log.head else start


def duplicate(start: Start, log: Log) -> Start:
    """The entry at the position comes once more."""
    _, epoch, offset = start
    return ("at", epoch, offset - 1) if epoch == log.epoch and offset > 0 else start


def head_first(start: Start, log: Log) -> Start:
    """The head was read before the cursor was put, and the cursor starts there."""
    _, epoch, _ = start
    return ("at", epoch, log.noted) if epoch == log.epoch and log.noted is not None else start


def gap_swallowed(start: Start, log: Log) -> Start:
    """A position whose past is gone starts at what is kept, without a word."""
    _, epoch, offset = start
    return ("last", LARGEST) if epoch != log.epoch or offset + 1 < log.first else start


ON_RESUME: dict[str, Callable[[Start, Log], Start]] = {
    "off-by-one": off_by_one,
    "duplicate": duplicate,
    "head-first": head_first,
    "gap-swallowed": gap_swallowed,
}
OFFSET_REUSED = "offset-reused"
GAP_INVENTED = "gap-invented"
ANSWER_FORGOTTEN = "answer-forgotten"
LONELY_BUGS = (*ON_RESUME, OFFSET_REUSED, GAP_INVENTED, ANSWER_FORGOTTEN)
BUGS = (*LONELY_BUGS, *NODE_BUGS)

# Of so many acknowledgements of publishes one is never sent.
FORGOTTEN = 7

# Bytes that a restart does not find again: some entries, and half of one.
TAIL = 2_000


def planted_specs(bug: str, specs: Sequence[Any], log_of: Callable[[str], Log]) -> list[Any]:
    """The specs of a `subscribe`, those that resume changed."""
    change = ON_RESUME[bug]
    return [
        replace(spec, start=change(spec.start, log_of(spec.channel))) if spec.start[0] == "at" else spec
        for spec in specs
    ]


def plant_on_resume(bug: str) -> None:
    """Patch the broker."""
    from channels.broker import Broker

    subscribe, sweep = Broker.subscribe, Broker.sweep
    heads: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()

    def look(broker: Any, channel: str) -> Log:
        noted = heads.setdefault(broker, {})
        info = broker._plane.log_info(broker._logs.use(channel).log)
        return Log(str(info["epoch"]), int(info["first"]), int(info["head"]), noted.get(channel))

    def planted_subscribe(self: Any, conn: int, subject: Any, specs: Any, reply: Any, *rest: Any, **more: Any) -> Any:
        changed = planted_specs(bug, specs, lambda channel: look(self, channel))
        return subscribe(self, conn, subject, changed, reply, *rest, **more)

    def planted_sweep(self: Any, *times: Any, **more: Any) -> Any:
        noted = heads.setdefault(self, {})
        for log in self._logs:
            noted[log.channel] = int(self._plane.log_info(log.log)["head"])
        return sweep(self, *times, **more)

    Broker.subscribe = planted_subscribe  # type: ignore[method-assign]
    Broker.sweep = planted_sweep  # type: ignore[method-assign]


def plant_gap_invented() -> None:
    """Nearly all of what was missed is told as too much to replay, though the hub says that it may be (R9)."""
    from hub import options, parts

    plane_options = options.plane_options

    def planted_options(settings: Any) -> dict[str, Any]:
        return {**plane_options(settings), "resume_events": 1}

    parts.plane_options = planted_options  # type: ignore[attr-defined]


def plant_answer_forgotten() -> None:
    """What was published is stored, and every seventh answer to it is never sent (M4, M30)."""
    from hub.publishing import Publishing
    from hub.session.session import Session

    answered, acknowledge = Session.answered, Publishing._acknowledge
    acks = count(1)

    def planted_answered(self: Any, ticket: Any, answer: Any) -> Any:
        is_forgotten = answer.get("type") == "ack" and next(acks) % FORGOTTEN == 0
        return [] if is_forgotten else answered(self, ticket, answer)

    def planted_acknowledge(self: Any, *placed: Any) -> None:
        if next(acks) % FORGOTTEN:
            acknowledge(self, *placed)

    Session.answered = planted_answered  # type: ignore[method-assign,assignment]
    Publishing._acknowledge = planted_acknowledge  # type: ignore[method-assign,assignment]


def cut_tails(directory: Path) -> int:
    """Let the last records of every log on disk vanish, as a write that was promised and never made. -> files cut"""
    newest: dict[Path, Path] = {}
    for path in sorted(directory.rglob("*.log")):
        if path.stat().st_size > 2 * TAIL:
            newest[path.parent] = max(path, newest.get(path.parent, path), key=lambda file: file.stat().st_mtime_ns)
    for path in newest.values():
        os.truncate(path, path.stat().st_size - TAIL)
        if (tip := path.parent / "tip").exists():
            forget_tip(tip, path)
    return len(newest)


# The frame of `native/plane/src/durable/frame.rs`: length and checksum of the body, and the checksum of these two.
FRAME = struct.Struct("<III")
OFFSET = struct.Struct("<Q")
# The body of `tip.rs` before the epoch: the first offset of the newest segment, the bytes in it, the head.
PLACE = struct.Struct("<QQQ")


def crc32c(data: bytes) -> int:
    """The checksum of Castagnoli."""
    check = 0xFFFFFFFF
    for byte in data:
        check ^= byte
        for _ in range(8):
            check = check >> 1 ^ (0x82F63B78 if check & 1 else 0)
    return check ^ 0xFFFFFFFF


def whole(log: bytes) -> tuple[int, int]:
    """(bytes, last offset) of the whole records that a segment begins with; without one, the offset is 0."""
    at = FRAME.size + int(FRAME.unpack_from(log)[0])
    head = 0
    while at + FRAME.size <= len(log):
        after = at + FRAME.size + int(FRAME.unpack_from(log, at)[0])
        if after > len(log):
            break
        head = int(OFFSET.unpack_from(log, at + FRAME.size)[0])
        at = after
    return at, head


def forget_tip(tip: Path, segment: Path) -> None:
    """Let the tip beside a segment that was cut promise no more than what is left."""
    body = tip.read_bytes()[FRAME.size :]
    base = int(segment.stem)
    size, head = whole(segment.read_bytes())
    body = PLACE.pack(base, size, head or base - 1) + body[PLACE.size :]
    lengths = struct.pack("<II", len(body), crc32c(body))
    tip.write_bytes(lengths + struct.pack("<I", crc32c(lengths)) + body)


def main(arguments: Sequence[str]) -> int:
    """Plant, then serve."""
    bug, *rest = arguments or ("",)
    is_node = bool(os.environ.get("NG_REDIS_URL"))
    data = os.environ.get("NG_DATA_DIR")
    if bug not in BUGS:
        print(f"planted: expected one of {', '.join(BUGS)}, got {bug!r}", file=sys.stderr)
        return 2
    if is_node is not (bug in NODE_BUGS):
        print(f"planted: {bug} is a bug of {'nodes' if bug in NODE_BUGS else 'one hub alone'}", file=sys.stderr)
        return 2
    if bug == "gap-swallowed" and data:
        # Only a hub that loses its past has gaps to swallow: without a log on disk each kill ends an epoch.
        print("planted: this hub keeps no log on disk", file=sys.stderr)
        return 2
    if bug == OFFSET_REUSED and data:
        cut_tails(Path(data))
    if bug in ON_RESUME:
        plant_on_resume(bug)
    elif bug == GAP_INVENTED:
        plant_gap_invented()
    elif bug == ANSWER_FORGOTTEN:
        plant_answer_forgotten()
    elif bug in NODE_BUGS:
        plant_in_node(bug)
    from hub.__main__ import main as serve

    return serve(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
