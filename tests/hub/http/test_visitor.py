"""hub/http/visitor.py: one request, one answer."""

import pytest

from channels.errors import LogUnavailable
from hub.http.visitor import Visitor
from hub.protocol.errors import Refusal


async def test_a_visitor_hears_its_answer_without_what_only_the_wire_needs() -> None:
    visitor = Visitor()
    ticket = visitor.ticket("m-1")
    assert (ticket.type, ticket.id, ticket.mid) == ("emit", 0, "m-1")
    assert visitor.session.answered(ticket, {"type": "emitted", "id": 0, "token_id": 7}) == []
    assert await visitor.answer() == {"token_id": 7}


@pytest.mark.parametrize("problem", [Refusal("overloaded", "full"), LogUnavailable("gone")])
async def test_a_visitor_hears_its_refusal(problem: Exception) -> None:
    visitor = Visitor()
    assert visitor.session.failed(visitor.ticket(None), problem) == []  # type: ignore[arg-type]  # both are problems
    with pytest.raises(type(problem)):
        await visitor.answer()


async def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    visitor = Visitor()
    visitor.session.outcome.cancel()  # type: ignore[attr-defined]  # the request was given up
    assert visitor.session.answered(visitor.ticket(None), {}) == []
