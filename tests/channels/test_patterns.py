import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from channels.names import is_channel_name
from channels.patterns import Match, Pattern

names = st.text(string.ascii_lowercase + ":/.-_", min_size=1, max_size=20)
segments = st.text(string.ascii_lowercase + ".-_", min_size=1, max_size=8)


@pytest.mark.clause("C23", "C24")
@pytest.mark.parametrize(
    "text", ["metrics", "room:*", "a*", "user:{sub}", "user:{sub}:*", "{sub}/inbox", "x/{sub}/y:*", "{sub}"]
)
def test_a_configured_name_is_a_name_with_at_most_one_sub_and_a_star_at_the_end(text: str) -> None:
    assert Pattern.parse(text).text == text


@pytest.mark.clause("C23", "C24", "M16")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected 1 to 64"),
        ("*", "expected 1 to 64"),
        ("a b", "expected 1 to 64"),
        ("x" * 65, "expected 1 to 64"),
        ("user:{sub}:{sub}", "expected 1 to 64"),
        ("user:{name}", "expected 1 to 64"),
        ("room:*:x", "expected \\* at the end only"),
        ("room:**", "expected \\* at the end only"),
        ("user{sub}", "expected {sub} as a whole segment"),
        ("user:{sub}x", "expected {sub} as a whole segment"),
        ("user:{sub}*", "expected {sub} as a whole segment"),
    ],
)
def test_any_other_configured_name_is_refused_with_what_came(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=f"{expected}.*, came ") as refusal:
        Pattern.parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.clause("C23")
@given(prefix=names, name=names)
def test_a_namespace_holds_exactly_the_names_that_begin_so(prefix: str, name: str) -> None:
    assert (Pattern.parse(prefix + "*").match(name) is not None) == name.startswith(prefix)


@pytest.mark.clause("C23")
@given(name=names, other=names)
def test_an_exact_name_holds_itself_alone(name: str, other: str) -> None:
    assert (Pattern.parse(name).match(other) is not None) == (name == other)


@pytest.mark.clause("C24")
@given(subject=segments, rest=names)
def test_sub_is_read_back_from_every_name_it_was_filled_into(subject: str, rest: str) -> None:
    pattern = Pattern.parse("user:{sub}:*")
    match = pattern.match(f"user:{subject}:{rest}")
    assert match is not None
    assert match.subject == subject


@pytest.mark.clause("C24")
@given(subject=names, other=names, rest=names)
def test_no_name_belongs_to_two_subjects(subject: str, other: str, rest: str) -> None:
    assume(subject != other)
    patterns = [Pattern.parse("user:{sub}"), Pattern.parse("user:{sub}:*")]
    for mine in (pattern.filled(subject) for pattern in patterns):
        if mine is None:
            continue
        name = mine.replace("*", rest)
        owners = {match.subject for pattern in patterns if (match := pattern.match(name)) is not None}
        assert owners == {subject}


@pytest.mark.clause("C24")
@pytest.mark.parametrize("subject", [None, "", "ann@example.org", "a:b", "a/b", "x" * 64, "a*", "a\n"])
def test_a_subject_that_is_no_segment_of_a_name_has_no_channel(subject: str | None) -> None:
    assert Pattern.parse("user:{sub}").filled(subject) is None


@pytest.mark.clause("C24")
@given(subject=segments)
def test_what_is_filled_in_is_a_channel_name(subject: str) -> None:
    filled = [Pattern.parse(text).filled(subject) for text in ("user:{sub}", "user:{sub}:*", "room:*")]
    assert filled == [f"user:{subject}", f"user:{subject}:*", "room:*"]
    assert is_channel_name(str(filled[0]))


@pytest.mark.clause("C24")
@pytest.mark.parametrize("name", ["user:", "user:ann", "user:ann/x", "user::x", "admin:ann:x"])
def test_a_template_does_not_hold_names_of_another_form(name: str) -> None:
    assert Pattern.parse("user:{sub}:*").match(name) is None


@pytest.mark.clause("C23")
def test_of_two_matches_the_greater_covers_more_then_is_exact_then_is_literal() -> None:
    texts = ["a:*", "a:b*", "a:{sub}", "a:b"]
    matches = [match for text in texts if (match := Pattern.parse(text).match("a:b")) is not None]
    assert matches == sorted(matches)
    assert matches[-1] == Match(3, True, True, "")


def test_a_fixed_name_is_one_without_star_and_sub() -> None:
    assert [Pattern.parse(text).is_fixed for text in ("a", "a*", "a:{sub}")] == [True, False, False]
