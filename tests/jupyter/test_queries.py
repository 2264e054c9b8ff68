"""The language of `%neurograph query`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neurograph_jupyter import QueryError
from neurograph_jupyter.queries import GRAMMAR, MAX_LIMIT, MAX_NEIGHBORS, Query, parsed

VECTOR = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


@pytest.mark.accept("J11")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("find all nodes", Query(limit=100)),
        ("FIND ALL tokens LIMIT 7", Query(limit=7)),
        ("find all nodes where type='user'", Query(condition={"data.type": "user"})),
        ("find all nodes where type == 'user'", Query(condition={"data.type": "user"})),
        (
            "find all nodes where type='user' and priority >= 150 limit 20",
            Query(condition={"data.type": "user", "data.priority": {"gte": 150}}, limit=20),
        ),
        ("find all nodes where dim.emotional > 0.8", Query(condition={"data.vector.3": {"gt": 0.8}})),
        ("find all nodes where is_novel or not weight > 1 limit 3",
         Query(condition={"any": [{"data.is_novel": True}, {"not": {"data.weight": {"gt": 1}}}]}, limit=3)),
        ("find all nodes where type = 'limit 5'", Query(condition={"data.type": "limit 5"})),
        ("find neighbors of 'disk failure'", Query("disk failure", limit=10)),
        ("find neighbours of 17 within 0.12 limit 4", Query(17, 0.12, limit=4)),
        (f"find neighbors of {VECTOR} within 1", Query(VECTOR, 1.0, limit=10)),
        ("find neighbors of \"it's\" where distance < 1",
         Query("it's", condition={"data.distance": {"lt": 1}}, limit=10)),
    ],
)  # fmt: skip
def test_a_question_is_read(text: str, expected: Query) -> None:
    assert parsed(text) == expected


@pytest.mark.accept("J11")
@pytest.mark.parametrize(
    ("text", "told", "column"),
    [
        ("", "expected find, got 'the end'", 0),
        ("select * from nodes", "expected a field, an operator or a value, got '*'", 7),
        ("select nodes", "expected find, got 'select'", 0),
        ("find everything", "expected all or neighbors, got 'everything'", 5),
        ("find all", "expected nodes, got 'the end'", 8),
        ("find all nodes please", "expected where, limit or the end, got 'please'", 15),
        ("find all nodes limit", "expected a whole number, got 'the end'", 20),
        ("find all nodes limit 0", f"expected 1 to {MAX_LIMIT}, got '0'", 21),
        ("find all nodes limit 2.5", f"expected 1 to {MAX_LIMIT}, got '2.5'", 21),
        ("find all nodes where", "expected a condition, got 'the end'", 20),
        ("find all nodes where limit 5", "expected a condition, got 'limit'", 21),
        ("find all nodes where priority >=", "expected a number, \"text\", true, false or null, got 'the end'", 32),
        ("find all nodes where prioriti > 5", "expected priority, got 'prioriti'", 21),
        ("find all nodes where qqq > 5", "expected one of token_id, type, priority", 21),
        ("find all nodes where distance > 5", "expected one of token_id, type, priority", 21),
        ("find all nodes where event = 'x'", "expected a field of a token; type is the name", 21),
        ("find all nodes where is_novel and tags.env = 'x'", "expected a field of a token", 34),
        ("find neighbors 'x'", "expected of, got", 15),
        ("find neighbors of disk", "expected 'TEXT', 8 numbers in [ ], or the id of a token, got 'disk'", 18),
        ("find neighbors of ' '", "expected 'TEXT', 8 numbers", 18),
        ("find neighbors of 0", "expected 'TEXT', 8 numbers", 18),
        ("find neighbors of [1, 2]", "expected 8 numbers, got '['", 18),
        ("find neighbors of [1, 'a']", "expected a number, got", 22),
        ("find neighbors of [1 2]", "expected , or ], got '2'", 21),
        ("find neighbors of 'x' within 0", "expected a radius above 0, got '0'", 29),
        ("find neighbors of 'x' limit 65", f"expected 1 to {MAX_NEIGHBORS}, got '65'", 28),
    ],
)
def test_what_is_no_question_is_answered_by_its_place_and_the_grammar(text: str, told: str, column: int) -> None:
    with pytest.raises(QueryError) as refused:
        parsed(text)
    message, shown, mark, *grammar = str(refused.value).split("\n")
    assert message.startswith(told)
    assert (shown, mark) == (text, " " * column + "^")
    assert [line.strip() for line in grammar] == [line.strip() for line in GRAMMAR.split("\n")]


def answer_to(text: str) -> Query | str:
    try:
        return parsed(text)
    except QueryError as refused:
        return str(refused)


@given(st.text(max_size=60))
def test_any_text_is_a_question_or_is_refused_in_words(text: str) -> None:
    for whole in (text, f"find all nodes where {text}", f"find neighbors of {text}"):
        answer = answer_to(whole)
        assert isinstance(answer, Query) or "find all nodes [where CONDITION]" in answer


@given(
    st.text(st.characters(blacklist_characters="'", blacklist_categories=["Cs"]), min_size=1).filter(str.strip),
    st.floats(min_value=1e-6, max_value=1e3),
    st.integers(1, MAX_NEIGHBORS),
)
def test_texts_radii_and_limits_come_through_as_they_are_written(text: str, radius: float, limit: int) -> None:
    query = parsed(f"find neighbors of '{text}' within {radius!r} limit {limit}")
    assert query == Query(text, radius, None, limit)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=8))
def test_vectors_come_through_as_they_are_written(vector: list[float]) -> None:
    around = parsed(f"find neighbors of {vector}").around
    assert isinstance(around, list)
    assert all(math.isclose(came, sent, rel_tol=0, abs_tol=0) for came, sent in zip(around, vector, strict=True))


@given(st.sampled_from(["=", "!=", ">", ">=", "<", "<="]), st.integers(-(2**62), 2**62), st.integers(1, MAX_LIMIT))
def test_numbers_of_conditions_come_through_exactly(operator: str, number: int, limit: int) -> None:
    wire = {"=": None, "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}[operator]
    expected = number if wire is None else {wire: number}
    query = parsed(f"find all nodes where weight {operator} {number} limit {limit}")
    assert query == Query(condition={"data.weight": expected}, limit=limit)
