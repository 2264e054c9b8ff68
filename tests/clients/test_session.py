"""The session core against the scripts that every client is held to."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client import errors
from neurograph_ws_client.effects import (
    AskToken,
    CursorMoved,
    Drop,
    Effect,
    Open,
    Reject,
    Resolve,
    Send,
    SetLimit,
    SubChanged,
    SubRecovered,
    Tell,
)
from neurograph_ws_client.errors import HubError
from neurograph_ws_client.events import Event, Gap
from neurograph_ws_client.glimpse import Unread
from neurograph_ws_client.policy import Backoff
from neurograph_ws_client.positions import Position
from neurograph_ws_client.recovery import Resumed
from neurograph_ws_client.requests import Request
from neurograph_ws_client.restoring import ReconnectionToken
from neurograph_ws_client.session import Session
from neurograph_ws_client.states import StateChange

Wire = Mapping[str, Any]

VECTORS: Any = json.loads((Path(__file__).parents[1] / "vectors" / "client_session.json").read_text())
TIMEOUT = 5.0


def parametrized() -> list[Any]:
    return [
        pytest.param(case, id=case["name"].replace(" ", "-"), marks=pytest.mark.clause(*case["clauses"]))
        for case in VECTORS["cases"]
    ]


@pytest.mark.accept("I3", "E6", "E7")
@pytest.mark.parametrize("case", parametrized())
def test_the_session_does_what_the_script_says(case: Wire) -> None:
    driver = Driver(case)
    for step in (*given(case), *case["steps"]):
        assert driver.neutral(driver.run(step)) == step["then"], step
        cause = driver.session.cause
        assert type(cause).__name__ == step.get("cause", type(cause).__name__)


# Told to people on the way; the vectors hold what a client has to do.
NOTICES = {"goaway", "switched"}


class Driver:
    """A session that is led through a script."""

    def __init__(self, case: Wire) -> None:
        self.session = Session(
            draw=lambda: 0.5,
            backoff=Backoff(**case.get("backoff", {})),
            is_renewable=case.get("renewable", False),
            client=case.get("client"),
            reconnection_token=case.get("reconnection_token"),
            is_resumable=case.get("resumes", False),
        )
        self.newest = 0

    def run(self, step: Wire) -> list[Effect]:
        """One step; a connection that is not named is the one opened last."""
        conn, now = step.get("conn", self.newest), step["now"]
        if "receive" in step:
            effects = list(self.session.receive(conn, message_of(step["receive"]), now))
        else:
            effects = list(STEPS[step["do"]](self.session, step, conn, now) or [])
        self.newest = max((effect.conn for effect in effects if isinstance(effect, Open)), default=self.newest)
        return effects

    def neutral(self, effects: list[Effect]) -> list[Wire]:
        """Effects in the form of the vectors."""
        done = [effect for effect in effects if not (isinstance(effect, Tell) and effect.name in NOTICES)]
        return [
            {name: value for name, value in one(effect, self.newest).items() if value is not ...} for effect in done
        ]


def given(case: Wire) -> list[Wire]:
    """The steps that lead to where a case begins."""
    connect = [
        {"do": "connect", "now": 0, "then": [{"tell": "state", "old": "idle", "new": "connecting"}, {"open": True}]},
        {"do": "opened", "now": 0, "then": []},
    ]
    connected = [{"tell": "state", "old": "connecting", "new": "connected"}, {"tell": "connected"}]
    limit = {"limit": 73536}
    match case.get("given"):
        case None:
            return []
        case "connected":
            return [*connect, {"receive": "welcome", "now": 0, "then": [limit, *connected]}]
        case "following logs at aaaa:10 with token R1":
            asks = [{"type": "subscribe", "channel": "logs", "id": 1}, {"type": "get_reconnection_token", "id": 2}]
            start = [{"sub": "logs", "state": "active"}, {"cursor": "logs", "position": "aaaa:10"}]
            return [
                {"do": "subscribe", "channel": "logs", "now": 0, "then": []},
                *connect,
                {"receive": "welcome", "now": 0, "then": [limit, {"send": asks}]},
                {"receive": "logs_at_10", "now": 0, "then": [*start, *connected]},
                {
                    "receive": {"$": "token_r1", "id": 2},
                    "now": 0,
                    "then": [{"tell": "reconnection_token", "token": "R1"}],
                },
            ]
        case "following logs at aaaa:10 with a window of 4":
            windowed = {"logs": {"position": "aaaa:10", "behind": 0, "delivery": "all", "on_slow": "gap", "ack": 4}}
            start = [{"sub": "logs", "state": "active"}, {"cursor": "logs", "position": "aaaa:10"}]
            return [
                {"do": "subscribe", "channel": "logs", "options": {"ack": 4}, "now": 0, "then": []},
                *connect,
                {
                    "receive": "welcome",
                    "now": 0,
                    "then": [limit, {"send": [{"type": "subscribe", "channel": "logs", "ack": 4, "id": 1}]}],
                },
                {
                    "receive": {"$": "logs_at_10", "channels": windowed},
                    "now": 0,
                    "then": [*start, *connected],
                },
            ]
        case "following logs at aaaa:10":
            ask = {"send": [{"type": "subscribe", "channel": "logs", "id": 1}]}
            start = [{"sub": "logs", "state": "active"}, {"cursor": "logs", "position": "aaaa:10"}]
            return [
                {"do": "subscribe", "channel": "logs", "now": 0, "then": []},
                *connect,
                {"receive": "welcome", "now": 0, "then": [limit, ask]},
                {"receive": "logs_at_10", "now": 0, "then": [*start, *connected]},
            ]
    raise AssertionError(f"no such beginning: {case['given']}")


def message_of(said: Any) -> Any:
    if isinstance(said, str):
        return VECTORS["messages"][said]
    if isinstance(said, dict) and "$" in said:
        return {**VECTORS["messages"][said["$"]], **{name: value for name, value in said.items() if name != "$"}}
    return said


def submitted(session: Session, step: Wire, conn: int, now: float) -> Any:
    request = Request(
        step["message"], step["ticket"], now + TIMEOUT, step.get("repeatable", False), step.get("patient", False)
    )
    return session.submit(request, now)


def subscribed(session: Session, step: Wire, conn: int, now: float) -> None:
    start = step.get("start")
    session.subscribe(step["channel"], step.get("options", {}), Position.parse(start) if start else None)


def handled(session: Session, step: Wire, conn: int, now: float) -> Any:
    return session.handled(session.follows[step["channel"]], Position.parse(step["position"]), now)


def unread(session: Session, step: Wire, conn: int, now: float) -> Any:
    return session.unread(conn, Unread(step["members"], "why", step.get("endless", False)), now)


def no_token(session: Session, step: Wire, conn: int, now: float) -> Any:
    return session.token_failed(errors.AuthError("no", temporary=True), now)


STEPS: Mapping[str, Callable[[Session, Wire, int, float], Any]] = {
    "connect": lambda session, step, conn, now: session.connect(now, retry=step.get("retry", False)),
    "opened": lambda session, step, conn, now: session.opened(conn, now),
    "closed": lambda session, step, conn, now: session.closed(conn, step["code"], "", now),
    "refused": lambda session, step, conn, now: session.refused(
        conn, step["status"], "", now, step.get("retry_after", 0.0)
    ),
    "failed": lambda session, step, conn, now: session.failed(conn, "connection refused", now),
    "token_ready": lambda session, step, conn, now: session.token_ready(step["token"], now),
    "token_failed": no_token,
    "expired": lambda session, step, conn, now: session.expired(now),
    "heard": lambda session, step, conn, now: session.heard(conn, now),
    "close": lambda session, step, conn, now: session.close(reason=step.get("reason", "")),
    "subscribe": subscribed,
    "flush": lambda session, step, conn, now: session.flush(now),
    "unsubscribe": lambda session, step, conn, now: session.unsubscribe(step["channels"], step["ticket"], now),
    "update": lambda session, step, conn, now: session.update(step["channel"], step["options"], step["ticket"], now),
    "handled": handled,
    "unread": unread,
    "submit": submitted,
}


def one(effect: Effect, newest: int) -> dict[str, Any]:
    match effect:
        case Send(messages, conn):
            return {"send": list(messages), "conn": ... if conn == newest else conn}
        case AskToken(request):
            return {"ask": request.reason, "attempt": request.attempt}
        case Open():
            return {"open": True}
        case Drop(conn, code, reason, is_abrupt):
            return {
                "drop": code,
                "reason": reason if reason == "forget" else ...,
                "abrupt": is_abrupt,
                "conn": ... if conn == newest else conn,
            }
        case SetLimit(conn, max_message):
            return {"limit": max_message, "conn": ... if conn == newest else conn}
        case Resolve(ticket, _, took):
            return {"resolve": ticket, "took": took}
        case Reject(ticket, error):
            return {"reject": ticket, "error": kind(error)}
        case SubChanged(channel, state, error):
            return {"sub": channel, "state": str(state), "error": kind(error)}
        case SubRecovered(channel, is_whole):
            return {"recovered": channel, "whole": is_whole}
        case CursorMoved(channel, position):
            return {"cursor": channel, "position": position}
        case Tell("state", StateChange(old, new, _, _, retry_in)):
            return {"tell": "state", "old": old, "new": new, "retry_in": ... if retry_in is None else retry_in}
        case Tell("resumed", Resumed(downtime, replayed, gaps)):
            return {"tell": "resumed", "downtime": downtime, "replayed": replayed, "gaps": gaps}
        case Tell("reconnection_token", ReconnectionToken(token)):
            return {"tell": "reconnection_token", "token": token}
        case Tell(name, value):
            return {"tell": name, "error": kind(value)}
        case Gap(channel, start, end, missed, reason):
            return {"gap": channel, "from": start, "to": end, "missed": missed, "reason": reason}
        case Event():
            return {"event": effect.channel, "position": effect.position}
    raise AssertionError(f"an effect without a neutral form: {effect!r}")


def kind(error: object) -> Any:
    return type(error).__name__ if isinstance(error, HubError) else ...


@pytest.mark.clause("H2", "X4")
def test_the_deadline_is_never_later_than_what_is_due() -> None:
    for case in VECTORS["cases"]:
        driver = Driver(case)
        for step in (*given(case), *case["steps"]):
            due = driver.session.deadline()
            if step.get("do") == "expired" and step["then"]:
                assert due is not None, step
                assert due <= step["now"], step
            driver.run(step)
