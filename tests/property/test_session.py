"""Whatever a client says, in whatever order: each request has one answer, and nothing follows a close."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.errors import LogUnavailable
from channels.permissions import Role
from hub.auth import ANONYMOUS
from hub.protocol import answers
from hub.session import Close, Effect, Emit, Publish, Send, State, Subscribe, Unsubscribe
from hub.session.effects import Locate
from tests.hub.session.support import Bench, admin, bench, identity

VECTOR = [0.5] * 8
CHANNELS = ["metrics", "logs", "signals", "connections", "nowhere", "bad name", "room:1"]
ROOMS = {"room:*": {"subscribe": ["viewer", "admin"], "broadcast": ["admin"]}}
PEOPLE = {"nobody": None, "anonymous": ANONYMOUS, "viewer": identity(Role.VIEWER), "admin": admin()}
SCALARS: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-5, 300) | st.floats(-1, 1e3)
VALUES: st.SearchStrategy[Any] = SCALARS | st.text(max_size=5) | st.just([]) | st.just({})
IDS = st.integers(0, 5) | st.sampled_from(["0", "a", "é"])


def message(kind: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind)}, optional={"id": IDS | VALUES, **members})


MESSAGES = st.one_of(
    message("connect", token=st.sampled_from(["admin", "viewer:ann", "nonsense", "expired"]) | VALUES, resume=VALUES),
    message("subscribe", channel=st.sampled_from(CHANNELS), max_rate=VALUES, ack=VALUES, **{"from": VALUES}),
    message("subscribe", channels=st.lists(st.sampled_from([*CHANNELS, "*"]), max_size=4), filter=VALUES),
    message("unsubscribe", channels=st.lists(st.sampled_from([*CHANNELS, "*"]), max_size=3)),
    message(
        "publish", channel=st.sampled_from(CHANNELS), event=st.sampled_from(["a.b", ".."]), data=VALUES, mid=VALUES
    ),
    message("emit", event_type=st.just("a.b"), vector=st.sampled_from([VECTOR, VECTOR[:3]]) | VALUES, priority=VALUES),
    message("ping", t=VALUES),
    message("ack", positions=VALUES),
    message("get_reconnection_token"),
    st.dictionaries(st.sampled_from(["type", "id", "channel"]), VALUES | st.sampled_from(CHANNELS), max_size=3),
    st.lists(st.just({"type": "ping"}), max_size=3),
)
STEPS = st.lists(st.tuples(MESSAGES, st.floats(0, 2), st.booleans()), max_size=30)


class Shell:
    """Executes effects like `hub.performer`, but answers what waits only when it is told to, and sometimes refuses."""

    def __init__(self, peer: Bench) -> None:
        self.peer = peer
        self.waiting: list[Publish | Emit | Locate] = []
        self.answers: list[dict[str, Any]] = []
        self.is_closed = False

    def execute(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert not self.is_closed, f"{effect} after the close"
            match effect:
                case Send():
                    self.answers.append(self.peer.decode(effect.data))
                case Subscribe():
                    self.answers.append(self.peer.decode(b'"position":"k3Fq:1","behind":0'.join(effect.reply)))
                case Unsubscribe() if effect.reply is not None:
                    self.answers.append(self.peer.decode(effect.reply))
                case Publish() | Emit() | Locate():
                    self.waiting.append(effect)
                case Close():
                    self.is_closed = True

    def answer(self, *, well: bool) -> None:
        waiting, self.waiting = self.waiting, []
        for effect in waiting:
            session = self.peer.session
            if isinstance(effect, Locate):
                self.execute(session.located({}, self.peer.moment))
                continue
            ticket = effect.ticket
            if well:
                message = answers.answer("ack" if isinstance(effect, Publish) else "emitted", ticket.id)
                self.execute(session.answered(ticket, message))
            else:
                self.execute(session.failed(ticket, LogUnavailable("not now")))

    def answer_all(self) -> None:
        """Answer until nothing waits: positions asked for before a subscription changed are asked for once more."""
        for _ in range(3):
            self.answer(well=True)
        assert not self.waiting, "asked again though nothing has changed"


def key(value: Any) -> tuple[str, Any]:
    return type(value).__name__, value


def is_id(value: Any) -> bool:
    return (type(value) is int and value >= 0) or (isinstance(value, str) and 1 <= len(value.encode()) <= 64)


@pytest.mark.clause("M4", "M6", "I6", "X6", "E3")
@settings(max_examples=300, deadline=None)
@given(STEPS, st.sampled_from(sorted(PEOPLE)), st.sampled_from([None, "ng-ws.v1.json"]))
@example(
    [
        ({"type": "get_reconnection_token", "id": 0}, 0.0, False),
        ({"type": "subscribe", "channel": "metrics"}, 0.0, False),
    ],
    "admin",
    None,
)
def test_each_id_has_one_answer_and_nothing_follows_a_close(
    steps: list[tuple[Any, float, bool]], who: str, subprotocol: str | None
) -> None:
    peer = bench(PEOPLE[who], subprotocol=subprotocol, tables=ROOMS)
    shell = Shell(peer)
    sent: dict[tuple[str, Any], int] = {}
    for said, pause, well in steps:
        peer.now += pause
        if isinstance(said, dict) and is_id(said.get("id")) and said.get("type") != "ack":
            sent[key(said["id"])] = sent.get(key(said["id"]), 0) + 1
        shell.execute(peer.session.received(peer.encode(said), peer.moment))
        if pause > 1:
            shell.answer(well=well)
    shell.answer_all()
    answered: dict[tuple[str, Any], int] = {}
    for answer in shell.answers:
        for name in ("id", "duplicate_of"):
            if name in answer:
                answered[key(answer[name])] = answered.get(key(answer[name]), 0) + 1
    if shell.is_closed:
        assert all(count <= sent.get(name, 0) for name, count in answered.items())
        assert peer.session.state is State.CLOSING
    else:
        assert answered == sent
        assert peer.session.in_flight == set()
