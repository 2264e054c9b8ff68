"""A hub that does everything right, in memory, and the history that its publishers and subscribers would write."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

CHANNELS = ("verify:0", "verify:1")
PUBLISHERS = ("p1", "p2", "p3")
SUBSCRIBERS = ("s1", "s2", "s3")
KEPT = 12  # entries that a log keeps, so that positions fall out of it

Action = tuple[str, int]


@dataclass
class Log:
    """One epoch of one channel."""

    epoch: str
    entries: list[str] = field(default_factory=list)


@dataclass
class Follower:
    """One subscriber on one channel, as it is at this moment."""

    starts: int = 0
    is_up: bool = False
    epoch: str | None = None
    offset: int = 0


class Model:
    """Takes actions, writes lines."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.logs = {channel: Log("aaaa0") for channel in CHANNELS}
        self.followers = {(name, channel): Follower() for name in SUBSCRIBERS for channel in CHANNELS}
        self.sent = dict.fromkeys(PUBLISHERS, 0)
        self.epochs = self.faults = 0

    def write(self, kind: str, /, **members: Any) -> None:
        self.lines.append({"t": len(self.lines) * 1000, "e": kind, **members})

    # -- actions -----------------------------------------------------------------------------------------------------

    def publish(self, drawn: int, outcome: str = "ack") -> None:
        publisher, channel = PUBLISHERS[drawn % 3], CHANNELS[drawn // 3 % 2]
        self.sent[publisher] += 1
        name = f"{publisher}-{self.sent[publisher]}"
        self.write("pub", ch=channel, id=name, pub=publisher, seq=self.sent[publisher], sum=f"sum of {name}")
        if outcome in {"nak", "vanishes"}:
            if outcome == "nak":
                self.write("nak", id=name)
            return
        log = self.logs[channel]
        log.entries.append(name)
        if outcome == "ack":
            self.write("ack", id=name, off=len(log.entries), ep=log.epoch)

    def begin(self, drawn: int) -> None:
        """A start, or a start from the position it had: granted, granted with a gap, or refused."""
        (name, channel), follower = self.pick(drawn)
        if follower.is_up:
            return
        follower.is_up, follower.starts = True, follower.starts + 1
        if follower.epoch is None:
            self.start_at_head(name, channel, follower, None)
        elif drawn % 7 == 0:
            self.start_at_head(name, channel, follower, f"{follower.epoch}:{follower.offset}")
        else:
            self.resume(name, channel, follower)

    def start_at_head(self, name: str, channel: str, follower: Follower, asked: str | None) -> None:
        log = self.logs[channel]
        follower.epoch, follower.offset = log.epoch, len(log.entries)
        granted = None if asked is None else False
        self.started(name, channel, follower, asked, granted)

    def started(self, name: str, channel: str, follower: Follower, asked: str | None, granted: bool | None) -> None:
        self.write(
            "sub", s=name, ch=channel, n=follower.starts, req=asked, rec=granted, off=follower.offset, ep=follower.epoch
        )

    def resume(self, name: str, channel: str, follower: Follower) -> None:
        self.started(name, channel, follower, f"{follower.epoch}:{follower.offset}", True)
        log = self.logs[channel]
        oldest = max(0, len(log.entries) - KEPT)
        if follower.epoch != log.epoch:
            self.gap(name, channel, follower, oldest, None, "epoch")
        elif follower.offset < oldest:
            self.gap(name, channel, follower, oldest, oldest - follower.offset, "retention")

    def gap(self, name: str, channel: str, follower: Follower, to: int, missed: int | None, reason: str) -> None:
        log = self.logs[channel]
        ends = {"from": f"{follower.epoch}:{follower.offset}", "to": f"{log.epoch}:{to}"}
        self.write("gap", s=name, ch=channel, n=follower.starts, **ends, missed=missed, reason=reason)
        follower.epoch, follower.offset = log.epoch, to

    def deliver(self, drawn: int, most: int = 3) -> None:
        (name, channel), follower = self.pick(drawn)
        log = self.logs[channel]
        if not follower.is_up:
            return
        if follower.epoch != log.epoch:
            self.gap(name, channel, follower, 0, None, "epoch")
        for entry in log.entries[follower.offset : follower.offset + most]:
            follower.offset += 1
            place = {"off": follower.offset, "ep": follower.epoch}
            self.write("msg", s=name, ch=channel, n=follower.starts, id=entry, sum=f"sum of {entry}", **place)

    def overrun(self, drawn: int) -> None:
        (name, channel), follower = self.pick(drawn)
        log = self.logs[channel]
        if follower.is_up and follower.epoch == log.epoch and follower.offset + 1 < len(log.entries):
            self.gap(name, channel, follower, len(log.entries) - 1, len(log.entries) - 1 - follower.offset, "slow")

    def cut(self, drawn: int) -> None:
        (name, channel), follower = self.pick(drawn)
        if follower.is_up:
            follower.is_up = False
            self.write("end", s=name, ch=channel, n=follower.starts)

    def rotate(self, drawn: int) -> None:
        self.epochs += 1
        self.logs[CHANNELS[drawn % 2]] = Log(f"bbbb{self.epochs}")

    def fault(self, drawn: int) -> None:
        self.faults += 1
        kind = ("cut", "kill", "slow")[drawn % 3]
        self.write("fault", no=self.faults, kind=kind, do="begun")
        self.cut(drawn)
        self.write("fault", no=self.faults, kind=kind, do="healed")

    def hole(self) -> None:
        """An outcome is unknown for a reason."""
        self.faults += 1
        for do in ("begun", "healed"):
            self.write("fault", no=self.faults, kind="hole", do=do)

    def pick(self, drawn: int) -> tuple[tuple[str, str], Follower]:
        name = (SUBSCRIBERS[drawn % 3], CHANNELS[drawn // 3 % 2])
        return name, self.followers[name]

    # -- a whole run -------------------------------------------------------------------------------------------------

    def act(self, actions: Iterable[Action]) -> None:
        for name, drawn in actions:
            match name:
                case "publish" | "ack":
                    self.publish(drawn)
                case "unknown" | "vanishes":
                    self.hole()
                    self.publish(drawn, name)
                case "nak":
                    self.publish(drawn, name)
                case _:
                    getattr(self, name)(drawn)

    def finish(self) -> list[dict[str, Any]]:
        """Everybody comes back, catches up and confirms the head."""
        for drawn in range(6):
            self.begin(drawn + 6 * 7)
            self.publish(drawn)
        for drawn in range(6):
            self.deliver(drawn, most=1 << 30)
            (name, channel), _ = self.pick(drawn)
            self.write("fin", s=name, ch=channel, off=len(self.logs[channel].entries), ep=self.logs[channel].epoch)
        return self.lines


ACTIONS = (
    "publish",
    "unknown",
    "vanishes",
    "nak",
    "begin",
    "deliver",
    "deliver",
    "overrun",
    "cut",
    "rotate",
    "fault",
)

# So much happens in every run that each kind of fault finds its place.
PROLOGUE: Sequence[Action] = (
    *(("begin", drawn) for drawn in range(6)),
    *(("publish", drawn) for drawn in (0, 0, 1, 2, 3, 4, 0, 3, 3)),
    ("unknown", 1),
    ("nak", 2),
    *(("deliver", drawn) for drawn in range(6)),
    *(("deliver", drawn) for drawn in range(6)),
    ("cut", 1),
    ("publish", 0),
    ("publish", 1),
    ("begin", 1),
    ("deliver", 1),
    *(("publish", 0) for _ in range(5)),
    ("overrun", 2),
    *(("deliver", drawn) for drawn in (0, 0, 0, 2, 2, 2)),
    ("cut", 0),
    *(("publish", 0) for _ in range(KEPT + 4)),
    ("begin", 8 * 6),
    *(("deliver", 0) for _ in range(3)),
    ("cut", 2),
    ("rotate", 0),
    *(("publish", 0) for _ in range(3)),
    ("begin", 8),
    *(("deliver", drawn) for drawn in (0, 1, 2)),
)


def history(actions: Iterable[Action]) -> list[dict[str, Any]]:
    """A correct history of what these actions do."""
    model = Model()
    model.act(PROLOGUE)
    model.act(actions)
    return model.finish()
