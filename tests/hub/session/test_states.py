"""The state table is section 14 of PROTOCOL.md, pair by pair."""

import pytest

from hub.protocol import close_codes
from hub.session.states import OVER, TRANSITIONS, Admission, State, Step, Trigger
from tests.hub.session.support import admin, bench

W, R, D, C = State.WAITING, State.READY, State.DRAINING, State.CLOSING
APPLY, LOGIN, DRAINING = Admission.APPLY, Admission.LOGIN_REQUIRED, Admission.DRAINING
REFUSE, DISCARD, IGNORE = Admission.REFUSE, Admission.DISCARD, Admission.IGNORE

# The first table of section 14, row by row: what Waiting, Ready, Draining and Closing do with a message. A connect
# without a token under Waiting is told apart from one with a token in test_login.
MESSAGES = {
    Trigger.PING: (APPLY, APPLY, APPLY, DISCARD),
    Trigger.CONNECT: (APPLY, APPLY, DRAINING, DISCARD),
    Trigger.SUBSCRIBE: (LOGIN, APPLY, DRAINING, DISCARD),
    Trigger.UNSUBSCRIBE: (LOGIN, APPLY, APPLY, DISCARD),
    Trigger.PUBLISH: (LOGIN, APPLY, APPLY, DISCARD),
    Trigger.EMIT: (LOGIN, APPLY, APPLY, DISCARD),
    Trigger.GET_RECONNECTION_TOKEN: (LOGIN, APPLY, APPLY, DISCARD),
    Trigger.ACK: (IGNORE, APPLY, APPLY, DISCARD),
    Trigger.UNREADABLE: (REFUSE, REFUSE, REFUSE, DISCARD),
}

# The second table: state, event -> next state, close code.
EVENTS = {
    (W, Trigger.LOGIN_ACCEPTED): (R, None),
    (W, Trigger.LOGIN_TIMEOUT): (C, 4101),
    (R, Trigger.LOGIN_ACCEPTED): (R, None),
    (R, Trigger.CREDENTIAL_EXPIRED): (C, 4101),
    (D, Trigger.CREDENTIAL_EXPIRED): (C, 4101),
    (R, Trigger.CREDENTIAL_REVOKED): (C, 4103),
    (D, Trigger.CREDENTIAL_REVOKED): (C, 4103),
    (R, Trigger.KICKED): (C, 4010),
    (D, Trigger.KICKED): (C, 4010),
    (R, Trigger.ROLE_CHANGED): (R, None),
    (D, Trigger.ROLE_CHANGED): (D, None),
    (R, Trigger.DRAIN_STARTED): (D, None),
    (W, Trigger.DRAIN_STARTED): (C, 4301),
    (R, Trigger.TAKEN_OVER): (C, 4009),
    (D, Trigger.TAKEN_OVER): (C, 4009),
    (D, Trigger.DEADLINE_PASSED): (C, 4301),
    # The code is that of the fault, so none stands in the table.
    **{(state, Trigger.FAULT): (C, None) for state in (W, R, D)},
    **{(state, Trigger.ENDED): (State.CLOSED, None) for state in (W, R, D, C)},
}


def expected(state: State, trigger: Trigger) -> tuple[State, Admission | None, int | None] | None:
    """What section 14 says of the pair; None where it cannot happen."""
    if trigger in MESSAGES and state is not State.CLOSED:
        return state, MESSAGES[trigger][(W, R, D, C).index(state)], None
    found = EVENTS.get((state, trigger))
    return None if found is None else (found[0], None, found[1])


def actual(step: Step | None) -> tuple[State, Admission | None, int | None] | None:
    if step is None:
        return None
    return step.next, step.admission, None if step.close is None else close_codes.CODE_OF[step.close]


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("state", State)
def test_every_pair_of_state_and_event_does_what_section_14_says(state: State, trigger: Trigger) -> None:
    assert expected(state, trigger) == actual(TRANSITIONS[state].get(trigger))


@pytest.mark.parametrize("state", [W, R, D])
def test_a_session_follows_the_table(state: State) -> None:
    """What the table says of an event is what happens to a session in that state."""
    for trigger, step in TRANSITIONS[state].items():
        session = bench(None if state is W else admin()).session
        session.state = state
        session.step(trigger)
        assert session.state is step.next, (state, trigger)


@pytest.mark.clause("X6")
def test_nothing_is_sent_after_a_close_and_nothing_is_applied() -> None:
    peer = bench(admin())
    peer.take(peer.session.kicked())
    answers = peer.send({"type": "ping", "id": 1}, {"type": "subscribe", "channel": "logs", "id": 2}, b"no message")
    answers += peer.take(peer.session.received_unreadable("bad_json", "not JSON"))
    answers += peer.take(peer.session.received_foreign())
    answers += peer.take(peer.session.faulted("internal"))
    assert answers == []


def test_over_are_the_states_in_which_nothing_is_applied() -> None:
    applied = {state for state, row in TRANSITIONS.items() if any(step.admission is APPLY for step in row.values())}
    assert set(State) - applied == OVER
