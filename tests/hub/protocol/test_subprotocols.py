"""Which subprotocol a handshake chooses."""

import pytest

from hub.protocol.subprotocols import CODECS, Choice, negotiate, read_offers


@pytest.mark.clause("C2", "C3", "C5")
@pytest.mark.parametrize(
    ("offers", "choice"),
    [
        ([], Choice(None)),
        (["ng-ws.v1.json"], Choice("ng-ws.v1.json")),
        (["ng-ws.v1.msgpack", "ng-ws.v1.json"], Choice("ng-ws.v1.msgpack")),
        (["chat", "ng-ws.v1.json"], Choice("ng-ws.v1.json")),
        (["ng-ws.v2.json", "ng-ws.v1.json"], Choice("ng-ws.v1.json")),
        (["ng-ws.v2.json"], Choice(None, is_unsupported=True)),
        (["ng-ws.v2.json", "ng-ws.v3.json"], Choice(None, is_unsupported=True)),
        (["ng-ws.v1.cbor"], Choice(None, is_unsupported=True)),
        (["chat"], Choice(None)),
        (["NG-WS.V1.JSON"], Choice(None)),
    ],
)
def test_the_first_offer_that_is_known_is_selected(offers: list[str], choice: Choice) -> None:
    assert negotiate(offers) == choice


@pytest.mark.clause("C3", "C4")
def test_a_credential_is_never_selected() -> None:
    assert negotiate(["ng-ws.bearer.abc", "ng-ws.v1.json"]) == Choice("ng-ws.v1.json")
    assert negotiate(["ng-ws.bearer.abc"]) == Choice(None)


@pytest.mark.clause("C3")
def test_offers_of_several_headers_are_one_list_and_bytes_that_are_not_ascii_are_no_known_offer() -> None:
    assert read_offers([b"a , b", b"", b"ng-ws.v1.json"]) == ["a", "b", "ng-ws.v1.json"]
    assert negotiate(read_offers([b"ng-ws.v1.json\xff, ng-ws.v1.msgpack"])) == Choice("ng-ws.v1.msgpack")


@pytest.mark.clause("C2")
def test_each_subprotocol_has_its_codec() -> None:
    assert {name: codec.encoding for name, codec in CODECS.items()} == {
        None: "json",
        "ng-ws.v1.json": "json",
        "ng-ws.v1.msgpack": "msgpack",
    }
