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
    from channels._native import Publishes, SharedBucket
    from channels.buckets import Rate
    from channels.config import ChannelConfig
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
    count = session.allowance.take_each(*_purse(session, channel, config), most, moment.now)
    if count:
        session.unreadable = 0
        surroundings.tally.messages_received[_LABEL] += count
        if answers_later:
            session.await_answers(given(run, count))
    return count


def is_settled(session: "Session") -> bool:
    """Whether nothing that the session was told stands in the way of the next publish."""
    return (
        session.state in _TAKING
        and session.backlog is None
        and not (session.in_flight or session.unreadable or session.is_superseded)
    )


def buckets(
    session: "Session", channel: str, config: "ChannelConfig", now: float
) -> "tuple[SharedBucket, SharedBucket | None]":
    """What publishes to `channel` are paid from: the session's own bucket, and that of its subject."""
    name, rate, subject = _purse(session, channel, config)
    return session.allowance.lend(name, rate, now, subject)


def _purse(session: "Session", channel: str, config: "ChannelConfig") -> "tuple[str, Rate, str | None]":
    """Name and rate of the bucket for publishes to `channel`, and the subject that shares it."""
    if config.publish_rate is None:
        return "publish", session.rates["publish"], session.identity.subject
    return f"publish:{channel}", config.publish_rate, None


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
