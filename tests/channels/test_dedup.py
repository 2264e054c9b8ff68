import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.dedup import CANONICAL_BYTES, MID_CONFLICT, MidKey, MidWindow, digest
from channels.errors import MidConflict, Overloaded

NOW = 1_000.0
KEY = MidKey("actions", "ann", "m1")
parts = st.one_of(st.none(), st.text(max_size=4), st.binary(max_size=4))


@pytest.mark.clause("M31")
def test_a_repeat_within_300_s_gets_the_first_answer() -> None:
    window: MidWindow[str] = MidWindow()
    window.remember(KEY, b"d", "k3Fq:1", NOW)
    assert [window.find(KEY, b"d", NOW + after) for after in (0, 299.9, 300)] == ["k3Fq:1", "k3Fq:1", None]


@pytest.mark.clause("M31")
@pytest.mark.parametrize("other", [KEY._replace(channel="logs"), KEY._replace(subject="bob"), KEY._replace(mid="m2")])
def test_a_mid_counts_within_one_channel_and_one_subject(other: MidKey) -> None:
    window: MidWindow[str] = MidWindow()
    window.remember(KEY, b"d", "k3Fq:1", NOW)
    assert window.find(other, b"d", NOW) is None


@pytest.mark.clause("M31")
def test_a_repeat_with_other_content_is_a_conflict() -> None:
    window: MidWindow[str] = MidWindow()
    window.remember(KEY, b"d", "k3Fq:1", NOW)
    with pytest.raises(MidConflict) as refusal:
        window.find(KEY, b"e", NOW)
    assert (refusal.value.channel, refusal.value.message) == ("actions", MID_CONFLICT)


@pytest.mark.clause("M31")
def test_after_the_window_a_mid_may_mean_something_else() -> None:
    window: MidWindow[str] = MidWindow()
    window.remember(KEY, b"d", "k3Fq:1", NOW)
    assert window.find(KEY, b"e", NOW + 300) is None


@pytest.mark.clause("M31")
def test_json_is_compared_by_value_and_texts_as_they_are() -> None:
    first = digest("deploy", "api", b'{"a": 1, "b": [2]}')
    assert [
        digest("deploy", "api", b'{"b":[2],"a":1}') == first,
        digest("deploy", "api", b'{"a":1,"b":[3]}') == first,
        digest("deploy", "api2", b'{"a":1,"b":[2]}') == first,
        digest("deplo", "yapi", b'{"a":1,"b":[2]}') == first,
    ] == [True, False, False, False]


@pytest.mark.clause("M31")
def test_what_is_absent_differs_from_what_is_empty_or_null() -> None:
    assert len({digest("e", None), digest("e", ""), digest("e", b"null"), digest("e")}) == 4


@pytest.mark.clause("M31")
@given(one=st.lists(parts, max_size=4), other=st.lists(parts, max_size=4))
def test_no_two_lists_of_texts_have_one_digest(one: list[str | bytes | None], other: list[str | bytes | None]) -> None:
    same = [as_text(part) for part in one] == [as_text(part) for part in other]
    assert (digest(*map(as_text, one)) == digest(*map(as_text, other))) == same


def as_text(part: str | bytes | None) -> str | None:
    return part.hex() if isinstance(part, bytes) else part


@pytest.mark.clause("M31")
def test_json_that_the_parser_cannot_hold_is_compared_by_its_bytes() -> None:
    deep = b"[" * 2_000 + b"]" * 2_000
    assert (digest(deep) == digest(deep), digest(deep) == digest(deep + b" ")) == (True, False)


def test_large_json_is_compared_by_its_bytes_so_that_no_repeat_holds_up_the_loop() -> None:
    large = b'"' + b"x" * CANONICAL_BYTES + b'"'
    assert (digest(large) == digest(large), digest(large) == digest(large + b" ")) == (True, False)


def test_a_full_window_refuses_and_tells_when_there_is_room() -> None:
    window: MidWindow[str] = MidWindow(most=2)
    for i in range(2):
        window.remember(KEY._replace(mid=f"m{i}"), b"d", "p", NOW + i)
    with pytest.raises(Overloaded) as refusal:
        window.reserve(KEY, NOW + 10)
    assert (refusal.value.limit, refusal.value.retry_after) == (2, 290.0)


def test_room_that_time_has_made_is_used() -> None:
    window: MidWindow[str] = MidWindow(most=1)
    window.remember(KEY, b"d", "p", NOW)
    window.reserve(KEY._replace(mid="m2"), NOW + 300)
    assert len(window) == 0


def test_one_subject_cannot_fill_the_window_of_all() -> None:
    window: MidWindow[str] = MidWindow(most_per_subject=1)
    window.remember(KEY, b"d", "p", NOW)
    window.reserve(KEY._replace(subject="bob"), NOW)
    with pytest.raises(Overloaded, match="expected at most 1 mids of one subject in 300 s"):
        window.reserve(KEY._replace(mid="m2"), NOW)


def test_a_mid_that_is_remembered_again_counts_once() -> None:
    window: MidWindow[str] = MidWindow(most_per_subject=2)
    for answer in ("first", "second"):
        window.remember(KEY, b"d", answer, NOW)
    window.reserve(KEY._replace(mid="m2"), NOW)
    assert (len(window), window.find(KEY, b"d", NOW)) == (1, "second")


def test_a_sweep_forgets_what_has_expired_and_gives_its_room_back() -> None:
    window: MidWindow[str] = MidWindow(most_per_subject=2)
    window.remember(KEY, b"d", "p", NOW)
    window.remember(KEY._replace(mid="m2"), b"d", "p", NOW + 1)
    sizes = []
    for after in (299, 300, 301):
        window.sweep(NOW + after)
        sizes.append(len(window))
        if len(window) < 2:
            window.reserve(KEY._replace(mid="m3"), NOW + after)
    assert sizes == [2, 1, 0]


def found(mid: str, age: float, subject: str = "ann", answer: str = "p") -> tuple[MidKey, bytes, str, float]:
    return KEY._replace(mid=mid, subject=subject), b"d", answer, NOW - age


@pytest.mark.clause("M31")
def test_what_another_run_remembered_expires_in_the_order_of_its_age_whatever_order_it_comes_in() -> None:
    window: MidWindow[str] = MidWindow()
    window.remember(KEY, b"d", "own", NOW - 50)
    window.recover([found("young", 1), found("dead", 300), found("old", 299), found("middle", 100)], NOW)
    sizes = []
    for after in (0, 1, 200, 250, 299):
        window.sweep(NOW + after)
        sizes.append(len(window))
    assert sizes == [4, 3, 2, 1, 0]


@pytest.mark.clause("M31")
def test_of_what_another_run_remembered_the_newest_stay_where_not_all_have_room() -> None:
    window: MidWindow[str] = MidWindow(most=3, most_per_subject=2)
    lost = window.recover([found(f"m{age}", age) for age in (1, 4, 2, 3)] + [found("b", 9, "bob"), found("c", 10)], NOW)
    known = [mid for mid in ("m1", "m2", "m3", "m4") if window.find(KEY._replace(mid=mid), b"d", NOW)]
    assert (lost, known, window.find(found("b", 9, "bob")[0], b"d", NOW)) == (3, ["m1", "m2"], "p")
    with pytest.raises(Overloaded):
        window.reserve(KEY, NOW)
    assert window.refused == 1


@pytest.mark.clause("M31")
def test_of_one_mid_that_was_used_twice_the_later_counts() -> None:
    window: MidWindow[str] = MidWindow()
    window.recover([found("m1", 5, answer="later"), found("m1", 9, answer="earlier")], NOW)
    assert (window.find(KEY, b"d", NOW), len(window)) == ("later", 1)
