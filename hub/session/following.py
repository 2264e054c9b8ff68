"""What a connection follows: `subscribe`, `unsubscribe`, `ack` (M22-M28, M36, M43)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from channels.broker import Position, SubscribeSpec
from channels.config import ChannelConfig
from channels.permissions import Right
from hub.protocol import answers
from hub.protocol.errors import Refusal
from hub.protocol.forms import ALL, names_of
from hub.protocol.messages import TYPES, Ack, Subscribe, Unsubscribe
from hub.session import effects, resuming, sieving
from hub.session.effects import Ticket
from hub.session.policy import Moment

if TYPE_CHECKING:
    from channels._native import Filter, Start
    from hub.session.session import Session


def subscribe(session: "Session", message: Subscribe, moment: Moment) -> None:
    """Each channel succeeds or fails alone (M23)."""
    session.pay("subscribe", 1, moment)
    names = names_of(message)
    if names == (ALL,):
        identity = session.identity
        names = tuple(session.surroundings.catalog.subscribable(identity.role, identity.subject))
    accepted: dict[str, SubscribeSpec] = {}
    refused: dict[str, Refusal] = {}
    wanted = sieving.Wanted(bytes(message.filter), session.surroundings.policy)
    for name in names:
        try:
            accepted[name] = _accept(session, message, wanted, name, accepted)
        except Refusal as refusal:
            refused[name] = refusal
    if accepted:
        errors = {name: refusal.members() for name, refusal in refused.items()}
        head = answers.answer("subscribed", message.id)
        follow(session, Ticket(TYPES[Subscribe], message.id, message.channel), head, accepted, errors)
        resuming.changed(session, moment)
    else:
        _refuse_all(session, message, refused)


def unsubscribe(session: "Session", message: Unsubscribe, moment: Moment) -> None:
    """Neither an unknown channel nor one that is not followed is an error; all named are listed (M28)."""
    session.pay("unsubscribe", 1, moment)
    names = names_of(message)
    if names == (ALL,):
        names = tuple(session.subscriptions)
    followed = [name for name in names if session.subscriptions.pop(name, None) is not None]
    answer = answers.unsubscribed(message.id, names, 0, "client")
    session.do(effects.Unsubscribe(followed, session.codec.encode(answer)))
    if followed:
        resuming.unfollowed(session, followed)
        resuming.changed(session, moment)


def ack(session: "Session", message: Ack, moment: Moment) -> None:
    """Opens windows (S10), and is remembered for a resume without positions (R8); others are ignored (M36)."""
    followed = session.subscriptions
    positions = {name: Position.parse(text) for name, text in message.positions.items() if name in followed}
    if not positions:
        return
    windowed = {name: position for name, position in positions.items() if "ack" in followed[name]}
    if windowed:
        session.do(effects.Acknowledge(windowed))
    resuming.acknowledged(session, positions, moment)


def _accept(
    session: "Session", message: Subscribe, wanted: sieving.Wanted, name: str, accepted: Mapping[str, SubscribeSpec]
) -> SubscribeSpec:
    """The cursor that `message` asks for on channel `name`: existence, right, content (E6), then the number of them.

    `accepted`: those that it has got already.
    """
    config, rights = session.look_up(name)
    if config is None:
        _count(session, "unknown", "unknown_channel")
        raise Refusal("unknown_channel", f"there is no channel {name}")
    try:
        if Right.SUBSCRIBE not in rights:
            raise Refusal("forbidden", f"role {session.identity.role} may not subscribe to {name}")
        spec = _spec(session, message, wanted.read(), name, config)
        sieving.check_total(session, spec, accepted)
        limit = session.surroundings.policy.max_subscriptions
        pending = len(accepted.keys() - session.subscriptions.keys())
        if name not in session.subscriptions and len(session.subscriptions) + pending >= limit:
            raise Refusal("too_many_subscriptions", f"at most {limit} subscriptions per connection", limit=limit)
    except Refusal as refusal:
        _count(session, config.name, refusal.error)
        raise
    _count(session, config.name, "ok")
    return spec


def _spec(
    session: "Session", message: Subscribe, wanted: "Filter | None", name: str, config: ChannelConfig
) -> SubscribeSpec:
    """Options, with the channel's defaults for absent ones (M27, S12). `all` may not have what belongs to `latest`."""
    delivery = message.delivery or config.delivery
    for path, is_asked in (("from", message.start == "snapshot"), ("max_rate", message.max_rate is not None)):
        if is_asked and delivery == "all":
            raise Refusal("bad_message", f'{path}: needs delivery "latest", and {name} is delivered "all"', path=path)
    start = _start(message.start, name)
    return SubscribeSpec(
        channel=name,
        delivery=delivery,
        on_slow=message.on_slow or config.on_slow,
        max_rate=message.max_rate,
        start=start or ("snapshot" if delivery == "latest" else "new"),
        keep=start is None and name in session.subscriptions,
        ack=message.ack,
        filter=wanted,
        policy=config.policies.get(session.identity.role),
    )


def _start(start: Any, name: str) -> "Start | None":
    """M24, for channel `name`; None where `from` says nothing of it. The form has been checked."""
    match start:
        case "new" | "snapshot":
            return start  # type: ignore[no-any-return]
        case {"last": count}:
            return "last", count
        case {"since": moment}:
            return "since", float(moment)
        case {"positions": positions} if name in positions:
            return "at", *Position.parse(positions[name])
    return None


def follow(
    session: "Session",
    ticket: Ticket,
    head: Mapping[str, Any],
    accepted: Mapping[str, SubscribeSpec],
    refused: Mapping[str, Any],
) -> None:
    """Put the cursors of `accepted` and answer with `head` in one step (M9)."""
    session.accepted += 1
    former = {name: session.subscriptions.get(name) for name in accepted}
    resuming.unfollowed(session, [name for name, spec in accepted.items() if not spec.keep])
    _note_refused(session, ticket, refused)
    options = {name: _options(spec) for name, spec in accepted.items()}
    session.subscriptions |= options
    reply = _reply(session, head, options, refused)
    effect = effects.Subscribe(list(accepted.values()), reply, ticket, head, refused, options, former)
    session.unsettled.append(effect)
    session.do(effect)


def retry_without(
    session: "Session", effect: effects.Subscribe, problems: Mapping[str | None, answers.Problem]
) -> None:
    """The broker refused: the channels it names fail alone, the others are asked for again (M23)."""
    session.token.revision += 1
    first = next(iter(problems.values()))
    is_general = None in problems
    failed = {name: _members(problem) for name, problem in problems.items() if name is not None}
    specs = [] if is_general else [spec for spec in effect.specs if spec.channel not in failed]
    refused = {} if is_general else {**effect.refused, **failed}
    _undo(session, effect, effect.options.keys() - {spec.channel for spec in specs})
    if specs:
        _ask_again(session, effect, specs, failed, refused)
        return
    session.accepted -= 1
    settled(session, effect)
    if effect.is_resume:
        everywhere = {spec.channel: _members(first) for spec in effect.specs}
        resuming.restored_nothing(session, effect.head, {**effect.refused, **(refused or everywhere)})
    else:
        session.refuse(effect.ticket, first, refused if len(refused) > 1 else None)


def settled(session: "Session", effect: effects.Subscribe) -> None:
    """`effect` is done, or is undone."""
    session.unsettled = [one for one in session.unsettled if one is not effect]
    for channel, entered in effect.options.items():
        known = session.subscriptions.get(channel)
        if known is not None and known is entered and len(known) == PLAIN:
            session.subscriptions[channel] = _plain_options(known["delivery"], known["on_slow"])


def _undo(session: "Session", effect: effects.Subscribe, channels: Iterable[str]) -> None:
    """`effect` has failed on `channels`: what a later message has made of them stays, and has nothing to return to."""
    for channel in channels:
        entered, former = effect.options[channel], effect.former[channel]
        for later in session.unsettled:
            if later.former.get(channel) is entered:
                later.former[channel] = former
        if session.subscriptions.get(channel) is not entered:
            continue
        if former is None:
            del session.subscriptions[channel]
        else:
            session.subscriptions[channel] = former


def _ask_again(
    session: "Session",
    effect: effects.Subscribe,
    specs: Sequence[SubscribeSpec],
    failed: Mapping[str, Any],
    refused: Mapping[str, Any],
) -> None:
    """For `specs` alone, in the place of `effect`: what came behind it has not been done, but is entered already."""
    _note_refused(session, effect.ticket, failed)
    options = {spec.channel: effect.options[spec.channel] for spec in specs}
    former = {name: effect.former[name] for name in options}
    reply = _reply(session, effect.head, options, refused)
    again = effects.Subscribe(specs, reply, effect.ticket, effect.head, refused, options, former)
    session.unsettled = [again if one is effect else one for one in session.unsettled]
    session.do(again)


def _reply(
    session: "Session", head: Mapping[str, Any], options: Mapping[str, Any], refused: Mapping[str, Any]
) -> list[bytes]:
    told = {name: sieving.embedded(session, one) for name, one in options.items()}
    return session.codec.in_parts(head, told, refused)


def _note_refused(session: "Session", ticket: Ticket, refused: Mapping[str, Any]) -> None:
    for name, problem in refused.items():
        session.note("refused", f"{ticket.type} {name}: {problem['code']} {problem['error']}: {problem['message']}")


def _members(problem: answers.Problem) -> dict[str, Any]:
    """What an `errors` map says of it: the channel stands in front of it there."""
    return {name: value for name, value in problem.members().items() if name != "channel"}


PLAIN = 2
"""Members of a subscription object that says nothing but how it is delivered and what becomes of a slow reader."""


@cache
def _plain_options(delivery: str, on_slow: str) -> dict[str, Any]:
    """What thousands of idle subscriptions share: two words, each one of two."""
    return {"delivery": delivery, "on_slow": on_slow}


def _options(spec: SubscribeSpec) -> dict[str, Any]:
    """A subscription object without `position` and `behind`, which the plane knows (M42); it is never changed.

    One of its own for each request: by that a request that fails knows what it has entered itself.
    """
    options: dict[str, Any] = {"delivery": spec.delivery, "on_slow": spec.on_slow}
    if spec.max_rate is not None:
        options["max_rate"] = spec.max_rate
    if spec.ack is not None:
        options["ack"] = spec.ack
    if spec.filter is not None:
        options["filter"] = spec.filter.received.decode()
    return options


def _refuse_all(session: "Session", message: Subscribe, refused: dict[str, Refusal]) -> None:
    """One error for the first, with all of them under `errors` when several were named (M23)."""
    if not refused:
        raise Refusal("forbidden", f"role {session.identity.role} may not subscribe to any channel")
    name, first = next(iter(refused.items()))
    errors = {other: refusal.members() for other, refusal in refused.items()} if len(refused) > 1 else None
    session.refuse(Ticket(TYPES[Subscribe], message.id, name), first, errors)


def _count(session: "Session", channel: str, result: str) -> None:
    session.surroundings.tally.subscriptions[channel, result] += 1
