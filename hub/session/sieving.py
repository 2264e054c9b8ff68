"""Filters of a session's subscriptions (F8, F9) and the policies of its role (F12).

What a filter means the native parser alone knows; here is what it costs the connection, and whose policies hold.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

from channels._native import Filter, FilterError
from channels.broker import SubscribeSpec
from channels.permissions import Role
from hub.protocol.errors import Refusal
from hub.session import effects

if TYPE_CHECKING:
    from hub.session.policy import Policy
    from hub.session.session import Session

Options = dict[str, Any]
"""What `subscribed` told of a subscription; `filter` as the text that was received."""


class Wanted:
    """The filter of one `subscribe`, which is read once however many channels it is for."""

    def __init__(self, text: bytes, policy: "Policy") -> None:
        self._text = text
        self._policy = policy
        self._read: Filter | Refusal | None = None

    def read(self) -> Filter | None:
        """What it says; None where everything passes. Raises `Refusal` 422."""
        if not self._text:
            return None
        if self._read is None:
            try:
                self._read = read_filter(self._text, self._policy)
            except Refusal as refusal:
                self._read = refusal
        if isinstance(self._read, Refusal):
            raise self._read
        return None if self._read.is_open else self._read


class Limits(Protocol):
    """What bounds one filter (F8)."""

    @property
    def filter_bytes(self) -> int:
        """As received."""
        ...

    @property
    def filter_nodes(self) -> int:
        """Operators, literals and combinators."""
        ...

    @property
    def filter_depth(self) -> int:
        """Filters in one another."""
        ...


def read_filter(text: bytes, limits: Limits) -> Filter:
    """What a filter says. Raises `Refusal` 422."""
    try:
        return Filter(text, max_bytes=limits.filter_bytes, max_nodes=limits.filter_nodes, max_depth=limits.filter_depth)
    except FilterError as error:
        path = f"filter.{error.path}" if error.path else "filter"
        raise Refusal("filter_invalid", f"filter: {error}", path=path) from error


def check_total(session: "Session", spec: SubscribeSpec, accepted: Collection[str]) -> None:
    """F8: the filters of one connection together, when that of `spec` is `accepted` on other channels already."""
    if spec.filter is None:
        return
    replaced = {spec.channel, *accepted}
    others = (options.get("filter", "") for name, options in session.subscriptions.items() if name not in replaced)
    came = sum(len(text.encode()) for text in others) + len(replaced) * len(spec.filter.received)
    limit = session.surroundings.policy.filter_total
    if came > limit:
        expected = f"filter: expected filters of at most {limit} bytes on one connection, came {came}"
        raise Refusal("filter_invalid", expected, path="filter", limit=limit)


def embedded(session: "Session", options: Options) -> Options:
    """`options` as a message tells them: the filter is an object there."""
    if "filter" not in options:
        return options
    return {**options, "filter": session.codec.embed(options["filter"].encode())}


def role_changed(session: "Session", former: Role) -> None:
    """What is followed passes the policies of the present role from here on, without a word to the client (F12)."""
    specs = []
    for channel, options in session.subscriptions.items():
        config, _ = session.look_up(channel)
        if config is None:
            continue
        policy = config.policies.get(session.identity.role)
        if policy != config.policies.get(former):
            specs.append(spec_of(session, channel, options, keep=True))
    if specs:
        session.do(effects.Refilter(specs))


def spec_of(session: "Session", channel: str, options: Options, **others: Any) -> SubscribeSpec:
    """The cursor that a subscription with `options` has on `channel`, for the present role."""
    config, _ = session.look_up(channel)
    return SubscribeSpec(
        channel=channel,
        delivery=options["delivery"],
        on_slow=options["on_slow"],
        max_rate=options.get("max_rate"),
        ack=options.get("ack"),
        filter=Wanted(options.get("filter", "").encode(), session.surroundings.policy).read(),
        policy=None if config is None else config.policies.get(session.identity.role),
        **others,
    )
