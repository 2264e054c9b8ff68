"""Every clause of PROTOCOL.md is held by a test, or stands in `clauses.toml` with the reason why not yet."""

from tests.conformance import clauses


def test_tests_cite_only_clauses_that_exist() -> None:
    unknown = {number: files for number, files in clauses.cited().items() if number not in clauses.defined()}
    assert unknown == {}


def test_every_clause_is_cited_or_listed_with_a_reason() -> None:
    assert clauses.defined() - set(clauses.cited()) - set(clauses.without_test()) == set()


def test_the_list_of_clauses_without_a_test_only_shrinks() -> None:
    listed = set(clauses.without_test())
    assert (listed & set(clauses.cited()), listed - clauses.defined()) == (set(), set())
