"""Bytes in, messages out, and back: what each subprotocol's codec does (C2). Both have the same meaning.

A message that cannot be read is not an exception but an `Unreadable`: it gets its answer like any other (M15).
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from hub.protocol.unreadable import Sized

Encoding = Literal["json", "msgpack"]
Members = Mapping[str, Any]


class Codec(Protocol):
    """What a subprotocol fixes about the form of messages."""

    encoding: Encoding

    def decode(self, data: bytes) -> list[Sized]:
        """The messages of one frame, in order; at least one."""

    def encode(self, message: dict[str, Any]) -> bytes:
        """One message of the server."""

    def embed(self, value: bytes) -> Any:
        """Something that `encode` writes as the JSON text `value`."""

    def in_parts(self, head: Members, channels: Mapping[str, Members], errors: Mapping[str, Members]) -> list[bytes]:
        """A `subscribed`, or the `welcome` of a resume, in parts, one more than `channels`.

        Between two of them the plane writes position and behind (M42).
        """


def member_of(head: Members) -> str:
    """The member that holds the subscription objects of a message that begins with `head`."""
    return "subscriptions" if head["type"] == "welcome" else "channels"
