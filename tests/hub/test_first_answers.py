"""What an emit with a mid was answered the first time."""

import pytest

from channels.dedup import MidKey
from channels.errors import MidConflict
from hub.first_answers import FirstAnswers, Remembered

KEY = MidKey("signals", "b7", "1")


@pytest.mark.clause("M35", "M31")
def test_a_repeat_within_the_window_finds_the_first_answer() -> None:
    answers = FirstAnswers()
    assert answers.find(KEY, b"d", 0.0) is None
    first = Remembered("k3Fq:7", 1.5, [b'{"token_id":1}'])
    answers.remember(KEY, b"d", first, 0.0)
    assert (answers.find(KEY, b"d", 299.9), answers.find(KEY, b"d", 300.1)) == (first, None)


@pytest.mark.clause("M31")
def test_the_same_mid_for_something_else_is_a_conflict() -> None:
    answers = FirstAnswers()
    answers.remember(KEY, b"d", Remembered("k3Fq:7", 1.5, []), 0.0)
    with pytest.raises(MidConflict):
        answers.find(KEY, b"other", 1.0)


@pytest.mark.clause("M35")
def test_results_beyond_what_is_kept_go_first_and_their_position_stays() -> None:
    answers = FirstAnswers(kept=25)
    for number in range(3):
        answers.remember(KEY._replace(mid=str(number)), b"d", Remembered(f"k3Fq:{number}", 1.5, [b"x" * 10]), 0.0)
    found = [answers.find(KEY._replace(mid=str(number)), b"d", 1.0) for number in range(3)]
    assert [(one.members(), list(one.texts)) for one in found if one] == [
        ({"processing_time_us": 1.5, "position": "k3Fq:0"}, []),
        ({"processing_time_us": 1.5, "position": "k3Fq:1"}, [b"x" * 10]),
        ({"processing_time_us": 1.5, "position": "k3Fq:2"}, [b"x" * 10]),
    ]
    assert answers.statistics() == {"mids": 3, "mids_refused": 0, "results_dropped": 1}


def test_what_became_no_entry_has_no_position() -> None:
    assert Remembered(None, 1.5, [b"{}"]).members() == {"processing_time_us": 1.5}
