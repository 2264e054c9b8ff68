"""The shapes of what the server says."""

import pytest

from channels.errors import MidConflict
from hub.protocol import answers
from hub.protocol.errors import Refusal


@pytest.mark.clause("M4", "M5")
def test_an_id_stands_in_an_answer_only_where_one_was_given() -> None:
    assert answers.answer("welcome", 0, node="n") == {"type": "welcome", "id": 0, "node": "n"}
    assert answers.answer("welcome", None, node="n") == {"type": "welcome", "node": "n"}


@pytest.mark.clause("M5", "E4")
def test_an_error_names_the_type_it_answers_where_there_is_no_id() -> None:
    refusal = Refusal("forbidden", "no")
    with_id, without = answers.error(refusal, id=6, re="publish"), answers.error(refusal, re="publish", mid="m")
    assert (with_id.get("re"), with_id["id"], without["re"], without["mid"]) == (None, 6, "publish", "m")


@pytest.mark.clause("E2")
def test_the_channel_of_the_problem_wins_over_that_of_the_message() -> None:
    assert answers.error(MidConflict("no", channel="a"), id=1, channel="b")["channel"] == "a"
    assert answers.error(Refusal("forbidden", "no"), id=1, channel="b")["channel"] == "b"


@pytest.mark.clause("M6")
def test_a_duplicate_id_is_told_beside_the_error() -> None:
    shape = answers.error(Refusal("duplicate_id", "no"), duplicate_of=0)
    assert ("id" in shape, shape["duplicate_of"]) == (False, 0)


@pytest.mark.clause("M43", "M37")
def test_unsubscribed_and_pong_have_their_members() -> None:
    assert answers.unsubscribed(5, ["logs"], 0, "client") == {
        "type": "unsubscribed",
        "id": 5,
        "channels": ["logs"],
        "code": 0,
        "reason": "client",
    }
    assert answers.pong(None, 1, 2.5) == {"type": "pong", "t": 1, "ts": 2.5}
    assert answers.pong(3, None, 2.5) == {"type": "pong", "id": 3, "ts": 2.5}
