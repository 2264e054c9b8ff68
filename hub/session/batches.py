"""Publishes that came one after the other: what is judged once for all of them instead of message by message.

What is not plain here takes the way of `hub.session.intake`, message by message, and is answered there: nothing is
refused in this module.
"""

from itertools import islice
from typing import TYPE_CHECKING

from channels.permissions import Right
from hub.session.policy import Moment
from hub.session.states import TRANSITIONS, Admission, State, Trigger

if TYPE_CHECKING:
    from channels._native import Publishes
    from hub.session.session import Session

_TAKING = frozenset(
    state for state in State if (step := TRANSITIONS[state].get(Trigger.PUBLISH)) and step.admission is Admission.APPLY
)
_LABEL = ("publish",)
_BROADCAST = Right.BROADCAST


def admit(session: "Session", run: "Publishes", moment: Moment, most: int, *, answers_later: bool) -> int:
    """How many of `run`, from the first on and at most `most`, are accepted; the rest is to come as single messages.

    Those are paid for and counted as received. `answers_later`: their answers come after this turn, so that their ids
    await them from now on (M6).
    """
    if session.state not in _TAKING or session.backlog is not None or session.is_superseded:
        return 0
    surroundings, channel = session.surroundings, run.channel
    config, rights = session.look_up(channel)
    if config is None or _BROADCAST not in rights or run.largest > surroundings.policy.smallest_limit:
        return 0
    if not config.trace and run.is_traced:
        return 0
    if answers_later or session.in_flight:
        most = min(most, _answerable(session, run, answers_later=answers_later))
    if config.publish_rate is None:
        rate, subject = session.rates["publish"], session.identity.subject
        count = session.allowance.take_each("publish", rate, most, moment.now, subject)
    else:
        count = session.allowance.take_each(f"publish:{channel}", config.publish_rate, most, moment.now)
    if count:
        session.unreadable = 0
        surroundings.tally.messages_received[_LABEL] += count
        if answers_later:
            session.await_answers(given(run, count))
    return count


def given(run: "Publishes", count: int) -> "set[int | str]":
    """The ids of the first `count` publishes of `run`, as far as they have some."""
    return {one for one in islice(run.ids(), count) if one is not None}


def _answerable(session: "Session", run: "Publishes", *, answers_later: bool) -> int:
    """How many, from the first on, have an id that may await its answer now, or none (M6)."""
    limit, mine = session.surroundings.policy.max_in_flight, set[int | str]()
    taken = session.in_flight
    if answers_later:
        taken = mine = set(taken)
    for at, one in enumerate(run.ids()):
        if one is None:
            continue
        if one in taken or len(taken) >= limit:
            return at
        if answers_later:
            mine.add(one)
    return len(run)
