"""Where a handshake carries its credential (C6-C8). Nothing is checked here but that each kind is given once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote_plus

from hub.protocol.subprotocols import BEARER

Source = Literal["header", "subprotocol", "url"]
URL_MEMBERS = ("token", "reconnection_token")


class RepeatedCredential(ValueError):  # noqa: N818 - what happened, in the words of C6
    """The same kind of credential was given twice in one handshake: HTTP 400 (C6)."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What the handshake presented. Neither value shows in `repr`."""

    credential: str | None = field(default=None, repr=False)
    source: Source | None = None
    reconnection_token: str | None = field(default=None, repr=False)

    @property
    def is_in_url(self) -> bool:
        """Whether the URL carried a secret (C8)."""
        return self.source == "url" or self.reconnection_token is not None


def find_credentials(authorization: Sequence[str], offers: Iterable[str], query: bytes) -> Presented:
    """`Authorization: Bearer`, then `ng-ws.bearer.*`, then `?token=`: only the first kind found is used (C6).

    An empty credential is one that was presented (and is not valid), so that nobody becomes anonymous by it (C10).
    """
    schemes = [value.strip().partition(" ") for value in authorization]
    bearers = [credential.strip() for scheme, _, credential in schemes if scheme.lower() == "bearer"]
    subprotocols = [offer.removeprefix(BEARER) for offer in offers if offer.startswith(BEARER)]
    tokens, resumes = _url_members(query)
    for kind, found in (
        ("Authorization", bearers),
        ("ng-ws.bearer", subprotocols),
        ("?token=", tokens),
        ("?reconnection_token=", resumes),
    ):
        if len(found) > 1:
            raise RepeatedCredential(f"expected {kind} once, came {len(found)} of them")
    reconnection_token = resumes[0] if resumes else None
    candidates: tuple[tuple[Source, list[str]], ...] = (
        ("header", bearers),
        ("subprotocol", subprotocols),
        ("url", tokens),
    )
    for source, found in candidates:
        if found:
            return Presented(found[0], source, reconnection_token)
    return Presented(reconnection_token=reconnection_token)


def _url_members(query: bytes) -> tuple[list[str], list[str]]:
    members = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=64)
    token, resume = URL_MEMBERS
    return [value for name, value in members if name == token], [value for name, value in members if name == resume]


def redact(query: bytes) -> str:
    """The query for logs: values of credentials as `***`, however their names are spelt (C8)."""
    return "&".join(_redact(part) for part in query.decode("latin-1").split("&"))


def _redact(part: str) -> str:
    name = part.split("=", 1)[0]
    return f"{name}=***" if unquote_plus(name) in URL_MEMBERS else part
