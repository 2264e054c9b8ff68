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
    Tell,
)
from neurograph_ws_client.errors import HubError
from neurograph_ws_client.events import Event, Gap
from neurograph_ws_client.policy import Backoff
from neurograph_ws_client.requests import Request
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
    session = Session(
        draw=lambda: 0.5,
        backoff=Backoff(**case.get("backoff", {})),
        is_renewable=case.get("renewable", False),
        client=case.get("client"),
    )
    for step in (*given(case), *case["steps"]):
        assert neutral(run(session, step)) == step["then"], step
        assert type(session.cause).__name__ == step.get("cause", type(session.cause).__name__)


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


def run(session: Session, step: Wire) -> list[Effect]:
    now = step["now"]
    if "receive" in step:
        return list(session.receive(message_of(step["receive"]), now))
    return list(STEPS[step["do"]](session, step, now) or [])


def message_of(said: Any) -> Any:
    if isinstance(said, str):
        return VECTORS["messages"][said]
    if isinstance(said, dict) and "$" in said:
        return {**VECTORS["messages"][said["$"]], **{name: value for name, value in said.items() if name != "$"}}
    return said


def submitted(session: Session, step: Wire, now: float) -> Any:
    request = Request(
        step["message"], step["ticket"], now + TIMEOUT, step.get("repeatable", False), step.get("patient", False)
    )
    return session.submit(request, now)


def subscribed(session: Session, step: Wire, now: float) -> None:
    session.subscribe(step["channel"], step.get("options", {}), step.get("start"))


STEPS: Mapping[str, Callable[[Session, Wire, float], Any]] = {
    "connect": lambda session, step, now: session.connect(now, retry=step.get("retry", False)),
    "opened": lambda session, step, now: session.opened(now),
    "closed": lambda session, step, now: session.closed(step["code"], "", now),
    "refused": lambda session, step, now: session.refused(step["status"], "", now, step.get("retry_after", 0.0)),
    "failed": lambda session, step, now: session.failed("connection refused", now),
    "token_ready": lambda session, step, now: session.token_ready(step["token"], now),
    "token_failed": lambda session, step, now: session.token_failed(errors.AuthError("no", temporary=True), now),
    "expired": lambda session, step, now: session.expired(now),
    "heard": lambda session, step, now: session.heartbeat.heard(now),
    "close": lambda session, step, now: session.close(),
    "subscribe": subscribed,
    "flush": lambda session, step, now: session.flush(now),
    "unsubscribe": lambda session, step, now: session.unsubscribe(step["channels"], step["ticket"], now),
    "submit": submitted,
}


def neutral(effects: list[Effect]) -> list[Wire]:
    """Effects in the form of the vectors."""
    return [{name: value for name, value in one(effect).items() if value is not ...} for effect in effects]


def one(effect: Effect) -> dict[str, Any]:
    match effect:
        case Send(messages):
            return {"send": list(messages)}
        case AskToken(request):
            return {"ask": request.reason, "attempt": request.attempt}
        case Open():
            return {"open": True}
        case Drop(code, _, is_abrupt):
            return {"drop": code, "abrupt": is_abrupt}
        case SetLimit(max_message):
            return {"limit": max_message}
        case Resolve(ticket, _, took):
            return {"resolve": ticket, "took": took}
        case Reject(ticket, error):
            return {"reject": ticket, "error": kind(error)}
        case SubChanged(channel, state, error):
            return {"sub": channel, "state": str(state), "error": kind(error)}
        case CursorMoved(channel, position):
            return {"cursor": channel, "position": position}
        case Tell("state", StateChange(old, new, _, _, retry_in)):
            return {"tell": "state", "old": old, "new": new, "retry_in": ... if retry_in is None else retry_in}
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
        session = Session(
            draw=lambda: 0.5,
            backoff=Backoff(**case.get("backoff", {})),
            is_renewable=case.get("renewable", False),
            client=case.get("client"),
        )
        for step in (*given(case), *case["steps"]):
            due = session.deadline()
            if step.get("do") == "expired" and step["then"]:
                assert due is not None, step
                assert due <= step["now"], step
            run(session, step)
