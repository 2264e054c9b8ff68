"""Which subprotocol a handshake chooses (C2-C5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hub.protocol.codec import Codec
from hub.protocol.json_codec import JsonCodec
from hub.protocol.msgpack_codec import MsgpackCodec

KNOWN = ("ng-ws.v1.json", "ng-ws.v1.msgpack")
BEARER = "ng-ws.bearer."
_VERSIONED = "ng-ws.v"


@dataclass(frozen=True, slots=True)
class Choice:
    """`selected` is echoed; `is_unsupported`: only unknown versions were offered, close 4026 after the upgrade."""

    selected: str | None
    is_unsupported: bool = False


def negotiate(offers: Iterable[str]) -> Choice:
    """The first offer that is known, in the client's order; never one that carries a credential (C3)."""
    versions = [offer for offer in offers if offer.startswith(_VERSIONED)]
    for offer in versions:
        if offer in KNOWN:
            return Choice(offer)
    return Choice(None, is_unsupported=bool(versions))


def read_offers(headers: Iterable[bytes]) -> list[str]:
    """The offers of all `Sec-WebSocket-Protocol` headers, in order; what is not ASCII is an unknown offer (hs6)."""
    offers = (part.strip() for header in headers for part in header.split(b","))
    return [offer.decode("ascii", "replace") for offer in offers if offer]


CODECS: Mapping[str | None, Codec] = {
    None: JsonCodec(arrays=False),
    "ng-ws.v1.json": JsonCodec(arrays=True),
    "ng-ws.v1.msgpack": MsgpackCodec(),
}
"""Selected subprotocol -> codec (C2)."""
