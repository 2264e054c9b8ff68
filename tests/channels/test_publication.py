from channels.publication import Position, Publication, Stored


def test_a_position_is_written_as_epoch_and_offset() -> None:
    assert str(Position("k3Fq", 18231)) == "k3Fq:18231"


def test_the_entry_of_a_publication_is_what_the_log_keeps() -> None:
    publication = Publication("actions", "deploy", b"{}", "api", b'{"env":"prod"}', "00-1", "a=1", "ann", "m1")
    assert publication.entry == ("deploy", b"{}", "api", b'{"env":"prod"}', "00-1", "a=1")


def test_what_was_stored_is_no_duplicate_unless_it_says_so() -> None:
    assert (Stored("k3Fq:1").duplicate, Stored("k3Fq:1", duplicate=True).duplicate) == (False, True)
