"""What the routes of the SignalSystem share: who may, what it costs, and how its refusals are told."""

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Struct

from channels import SignalOverloaded, SignalSystemError, SignalValueError
from channels.permissions import Right
from channels.tables import EMIT_CHANNEL
from hub.emissions import refusal_of
from hub.http.answers import HttpProblem
from hub.http.bodies import decode
from hub.http.clients import number
from hub.http.endpoints import Call
from hub.http.rates import owner_of
from hub.protocol.errors import Refusal

MAX_LISTED = 1_000
"""Most things of a list in one answer; `before` goes on."""
MAX_ID = 2**53 - 1
LOOKED = 4_096
"""Tokens that a filter looks at for the price of one signal."""

T = TypeVar("T")
S = TypeVar("S", bound="Body")


class Body(Struct, forbid_unknown_fields=True, kw_only=True):
    """A request body; a member that is not known is refused by its name."""


def may_read(call: Call) -> None:
    """Who may subscribe to `signals` may look at what its events tell of."""
    call.require_right(EMIT_CHANNEL, Right.SUBSCRIBE)


async def body_of(call: Call, kind: type[S]) -> S:
    """The body of a change or a question."""
    return decode(await call.body(), kind)


def pay_change(call: Call, cost: int = 1) -> None:
    """The right emit, and so many signals of the subject's bucket, as an emit would cost."""
    owner = owner_of(call.identity, call.info.address)
    call.hub.publish_rates.pay(owner, "emit", cost, call.hub.monotonic())
    call.require_right(EMIT_CHANNEL, Right.EMIT)


def pay_looking(call: Call) -> None:
    """What looking through all tokens by a filter costs: a signal for every `LOOKED` of them, at most `rate_emit`."""
    owner = owner_of(call.identity, call.info.address)
    most = int(call.hub.settings.rate_emit.capacity)
    cost = min(1 + call.hub.signals.get_stats().tokens // LOOKED, most)
    call.hub.publish_rates.pay(owner, "emit", cost, call.hub.monotonic())


def asked(work: Callable[[], T]) -> T:
    """What the SignalSystem answers, or its refusal in the words of the protocol."""
    try:
        return work()
    except (SignalValueError, SignalOverloaded) as error:
        raise refusal_of(error) from error
    except SignalSystemError as error:
        raise Refusal("internal", "the SignalSystem does not work") from error


def id_of(call: Call) -> int:
    """The id in the path; 404 for what can be none."""
    text: str = call.request.path_params["id"]
    if text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    raise missing("id", text[:32])


def found(thing: T | None, what: str, wanted: int) -> T:
    """404 where there is none."""
    if thing is None:
        raise missing(what, wanted)
    return thing


def missing(what: str, wanted: int | str) -> HttpProblem:
    """No such thing (any more)."""
    return HttpProblem(404, "not_found", f"there is no {what} {wanted}; it may have left")


def page(call: Call) -> tuple[int, int | None]:
    """`limit` and `before` of a list."""
    limit = number(call, "limit", 100, 1, MAX_LISTED)
    before = number(call, "before", MAX_ID, 1, MAX_ID)
    return limit, None if before == MAX_ID else before


def listed(name: str, things: list[dict[str, Any]], key: str, limit: int) -> dict[str, Any]:
    """A page, newest first; `next`: the `before` of the page after it, if there may be one."""
    return {name: things, "next": things[-1][key] if len(things) == limit else None}
