import pytest

from channels.publication import Position, Publication, Stored


def test_a_position_is_written_as_epoch_and_offset() -> None:
    assert str(Position("k3Fq", 18231)) == "k3Fq:18231"


@pytest.mark.clause("P2")
def test_a_position_is_read_as_it_is_written() -> None:
    assert Position.parse("a-_Z:7") == Position("a-_Z", 7)


@pytest.mark.clause("P2")
def test_of_two_positions_of_one_epoch_the_later_reaches_the_other_and_those_of_two_epochs_do_not_compare() -> None:
    place = Position("k3Fq", 10)
    others = [Position("k3Fq", 9), place, Position("k3Fq", 11), Position("t0aZ", 1)]
    assert [place.reaches(other) for other in others] == [True, True, False, False]


def test_the_entry_of_a_publication_is_what_the_log_keeps() -> None:
    publication = Publication("actions", "deploy", b"{}", "api", b'{"env":"prod"}', "00-1", "a=1", "ann", "m1")
    assert publication.entry == ("deploy", b"{}", "api", b'{"env":"prod"}', "00-1", "a=1")


def test_what_was_stored_is_no_duplicate_unless_it_says_so() -> None:
    assert (Stored("k3Fq:1").duplicate, Stored("k3Fq:1", duplicate=True).duplicate) == (False, True)
