"""A hub and clients that do everything right, in memory, and the journals (I0) that the clients would write."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Line = dict[str, Any]

CHANNELS = ("verify:0", "verify:1")
KEPT = 10
RIGHTS = {"verify:*": {"rights": ["subscribe", "broadcast"]}, "logs": {"rights": ["broadcast"]}}


@dataclass
class Log:
    epoch: str
    entries: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Client:
    """One client: its connection, its cursors, and what the hub delivered on this connection."""

    name: str
    conn: int = 0
    is_up: bool = False
    ids: int = 0
    cursors: dict[str, tuple[str, int]] = field(default_factory=dict)
    delivered: dict[str, tuple[str, int]] = field(default_factory=dict)
    unhandled: list[tuple[str, str, int]] = field(default_factory=list)


class WireModel:
    """Takes actions, writes lines."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.logs = {channel: Log("aaaa0") for channel in CHANNELS}
        self.clients = [Client(f"c{number}") for number in range(3)]
        self.published = self.epochs = 0

    def write(self, client: Client, way: str, **members: Any) -> None:
        self.lines.append({"t": len(self.lines), "c": client.name, "conn": client.conn, "dir": way, **members})

    def ask(self, client: Client, **message: Any) -> int:
        client.ids += 1
        self.write(client, "out", msg={**message, "id": client.ids})
        return client.ids

    def tell(self, client: Client, **message: Any) -> None:
        self.write(client, "in", msg=message)

    # -- actions -----------------------------------------------------------------------------------------------------

    def act(self, actions: Iterable[tuple[str, int]]) -> None:
        for name, drawn in actions:
            getattr(self, name)(self.clients[drawn % 3], CHANNELS[drawn // 3 % 2])

    def connect(self, client: Client, _: str) -> None:
        if client.is_up:
            return
        client.is_up, client.ids = True, 0
        client.conn += 1
        client.delivered, client.unhandled = {}, []
        self.tell(client, type="welcome", channels=RIGHTS)
        if client.cursors:
            positions = {channel: f"{epoch}:{offset}" for channel, (epoch, offset) in client.cursors.items()}
            number = self.ask(client, type="connect", resume="***", positions=positions)
            client.delivered = dict(client.cursors)
            subscriptions = {channel: self.started(client, channel) for channel in client.cursors}
            self.tell(client, type="welcome", id=number, channels=RIGHTS, subscriptions=subscriptions)
            for channel in client.cursors:
                self.catch_up(client, channel)

    def subscribe(self, client: Client, channel: str) -> None:
        if not client.is_up or channel in client.delivered:
            return
        log = self.logs[channel]
        asked: dict[str, Any] = {}
        place = log.epoch, len(log.entries)
        if channel in client.cursors:
            epoch, offset = place = client.cursors[channel]
            asked = {"from": {"positions": {channel: f"{epoch}:{offset}"}}}
        number = self.ask(client, type="subscribe", channel=channel, delivery="all", **asked)
        client.delivered[channel] = client.cursors[channel] = place
        self.tell(client, type="subscribed", id=number, channels={channel: self.started(client, channel)})
        self.catch_up(client, channel)

    def started(self, client: Client, channel: str) -> dict[str, Any]:
        epoch, offset = client.delivered[channel]
        return {"position": f"{epoch}:{offset}", "behind": 0, "delivery": "all", "on_slow": "gap"}

    def catch_up(self, client: Client, channel: str) -> None:
        """A gap where the past is gone, or another one."""
        log, (epoch, offset) = self.logs[channel], client.delivered[channel]
        oldest = max(0, len(log.entries) - KEPT)
        if epoch != log.epoch:
            self.gap(client, channel, oldest, None, "epoch")
        elif offset < oldest:
            self.gap(client, channel, oldest, oldest - offset, "retention")

    def gap(self, client: Client, channel: str, to: int, missed: int | None, reason: str) -> None:
        (epoch, offset), log = client.delivered[channel], self.logs[channel]
        ends = {"from": f"{epoch}:{offset}", "to": f"{log.epoch}:{to}"}
        self.tell(client, type="gap", channel=channel, **ends, missed=missed, reason=reason)
        client.delivered[channel] = log.epoch, to
        if not any(waiting == channel for waiting, _, _ in client.unhandled):
            client.cursors[channel] = log.epoch, to

    def unsubscribe(self, client: Client, channel: str) -> None:
        if client.is_up and channel in client.delivered:
            number, handled = self.ask(client, type="unsubscribe", channel=channel), client.cursors[channel]
            # What was on its way still comes, and the client drops it.
            self.deliver(client, channel)
            del client.delivered[channel]
            client.cursors[channel] = handled
            self.tell(client, type="unsubscribed", id=number, channels=[channel], code=0, reason="client")
            client.unhandled = [item for item in client.unhandled if item[0] != channel]

    def publish(self, client: Client, channel: str, *, is_refused: bool = False) -> None:
        if not client.is_up:
            return
        self.published += 1
        content = {"event": "e", "data": {"n": self.published}}
        number = self.ask(client, type="publish", channel=channel, mid=f"m{self.published}", **content)
        if is_refused:
            self.tell(client, type="error", id=number, code=403, error="forbidden", message="no", channel=channel)
            return
        log = self.logs[channel]
        log.entries.append({**content, "ts": self.published / 8})
        self.tell(client, type="ack", id=number, positions={channel: f"{log.epoch}:{len(log.entries)}"})

    def refuse(self, client: Client, channel: str) -> None:
        self.publish(client, channel, is_refused=True)

    def deliver(self, client: Client, channel: str) -> None:
        if not client.is_up or channel not in client.delivered:
            return
        self.catch_up(client, channel)
        log, (epoch, offset) = self.logs[channel], client.delivered[channel]
        for number, entry in enumerate(log.entries[offset : offset + 3], offset + 1):
            self.tell(client, type="event", channel=channel, offset=number, **entry)
            client.delivered[channel] = epoch, number
            client.unhandled.append((channel, epoch, number))

    def handle(self, client: Client, _: str) -> None:
        """The handlers finish what came."""
        for channel, epoch, offset in client.unhandled:
            self.write(client, "handled", channel=channel, position=f"{epoch}:{offset}")
            client.cursors[channel] = epoch, offset
        client.unhandled = []
        if client.is_up:
            client.cursors |= client.delivered

    def watermark(self, client: Client, channel: str) -> None:
        if client.is_up and channel in client.delivered:
            epoch, offset = client.delivered[channel]
            self.tell(client, type="ack", positions={channel: f"{epoch}:{offset}"})

    def cut(self, client: Client, _: str) -> None:
        if client.is_up:
            client.is_up = False
            self.write(client, "close", code=1006)

    def rotate(self, _: Client, channel: str) -> None:
        self.epochs += 1
        self.logs[channel] = Log(f"bbbb{self.epochs}")


ACTIONS = (
    "connect",
    "subscribe",
    "unsubscribe",
    "publish",
    "publish",
    "refuse",
    "deliver",
    "deliver",
    "handle",
    "watermark",
    "cut",
    "rotate",
)

PROLOGUE = (
    *(("connect", number) for number in range(3)),
    *(("subscribe", number) for number in range(6)),
    *(("publish", number) for number in (0, 1, 2, 0, 3, 4)),
    ("refuse", 1),
    *(("deliver", number) for number in (0, 1, 2, 3, 4, 5, 0, 1)),
    *(("handle", number) for number in range(3)),
    ("watermark", 0),
    ("cut", 0),
    ("publish", 1),
    ("publish", 2),
    ("connect", 0),
    ("deliver", 0),
    ("handle", 0),
    ("cut", 1),
    *(("publish", 0) for _ in range(KEPT + 6)),
    ("connect", 1),
    ("deliver", 1),
    ("unsubscribe", 2),
    ("cut", 2),
    ("rotate", 0),
    ("publish", 0),
    ("publish", 1),
    ("connect", 2),
    *(("deliver", number) for number in range(3)),
    *(("handle", number) for number in range(3)),
)


def journals(actions: Iterable[tuple[str, int]]) -> list[Line]:
    """What the clients of a correct hub write down."""
    model = WireModel()
    model.act(PROLOGUE)
    model.act(actions)
    return model.lines
