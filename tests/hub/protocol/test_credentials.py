"""Where a handshake carries its credential."""

import pytest

from hub.protocol.credentials import Presented, RepeatedCredential, find_credentials, redact

OFFERS = ["ng-ws.v1.json", "ng-ws.bearer.from-offer"]


@pytest.mark.clause("C6")
@pytest.mark.accept("A11")
@pytest.mark.parametrize(
    ("authorization", "offers", "query", "credential", "source"),
    [
        (["Bearer from-header"], OFFERS, b"token=from-url", "from-header", "header"),
        ([], OFFERS, b"token=from-url", "from-offer", "subprotocol"),
        ([], ["ng-ws.v1.json"], b"a=1&token=from-url", "from-url", "url"),
        (["bearer  spaced "], [], b"", "spaced", "header"),
        (["Basic abc"], [], b"token=from-url", "from-url", "url"),
        ([], [], b"token=a%2Bb", "a+b", "url"),
        ([], [], b"", None, None),
    ],
)
def test_the_first_kind_found_is_the_only_one_used(
    authorization: list[str], offers: list[str], query: bytes, credential: str | None, source: str | None
) -> None:
    found = find_credentials(authorization, offers, query)
    assert (found.credential, found.source) == (credential, source)


@pytest.mark.clause("C10")
@pytest.mark.parametrize(
    ("authorization", "offers", "query", "source"),
    [
        (["Bearer "], [], b"", "header"),
        (["bearer"], OFFERS, b"token=from-url", "header"),
        (["Bearer   "], [], b"", "header"),
        ([], ["ng-ws.v1.json", "ng-ws.bearer."], b"token=from-url", "subprotocol"),
        ([], [], b"token=", "url"),
    ],
)
def test_an_empty_credential_is_one_that_was_presented(
    authorization: list[str], offers: list[str], query: bytes, source: str
) -> None:
    found = find_credentials(authorization, offers, query)
    assert (found.credential, found.source) == ("", source)


@pytest.mark.clause("C6")
@pytest.mark.parametrize(
    ("authorization", "offers", "query"),
    [
        (["Bearer a", "Bearer a"], [], b""),
        (["Bearer", "Bearer a"], [], b""),
        ([], ["ng-ws.bearer.a", "ng-ws.bearer.b"], b""),
        ([], [], b"token=a&token=a"),
        ([], [], b"token=a&%74oken=b"),
        ([], [], b"reconnection_token=a&reconnection_token=b"),
        (["Bearer a"], [], b"token=a&token=b"),
        ([], [], b"&".join(b"a=1" for _ in range(65))),
    ],
)
def test_the_same_kind_twice_is_refused(authorization: list[str], offers: list[str], query: bytes) -> None:
    with pytest.raises(ValueError, match=r"once|number of fields"):
        find_credentials(authorization, offers, query)


@pytest.mark.clause("C6")
def test_the_refusal_repeats_nothing_of_the_credential() -> None:
    with pytest.raises(RepeatedCredential) as caught:
        find_credentials([], [], b"token=hidden&token=hidden")
    assert "hidden" not in str(caught.value)


@pytest.mark.clause("R3", "C8")
def test_a_reconnection_token_stands_beside_a_credential() -> None:
    found = find_credentials(["Bearer a"], [], b"reconnection_token=r")
    assert (found.credential, found.reconnection_token, found.is_in_url) == ("a", "r", True)
    assert (Presented("a", "url").is_in_url, Presented("a", "header").is_in_url) == (True, False)


@pytest.mark.clause("C8")
def test_no_secret_shows_in_repr_or_in_a_redacted_query() -> None:
    found = find_credentials(["Bearer hidden"], [], b"reconnection_token=hidden")
    query = b"a=1&token=hidden&%74oken=hidden&reconnection_token=hidden&b"
    assert "hidden" not in repr(found) + redact(query)
    assert redact(query) == "a=1&token=***&%74oken=***&reconnection_token=***&b"
