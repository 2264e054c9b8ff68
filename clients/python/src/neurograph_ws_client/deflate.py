"""permessage-deflate as a sender of small messages wants it: what is short, and media, go as they are (B3)."""

from collections.abc import Sequence
from typing import Any

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame, Opcode

from .media import MEDIA

# Bytes of a message from which on it is compressed.
LEAST = 512


class Deflate(PerMessageDeflate):
    """Compresses whole messages; whatever comes compressed is decompressed as ever."""

    def encode(self, frame: Frame) -> Frame:
        """The frame, compressed where it pays to try; a client sends each message in one."""
        is_media = frame.opcode is Opcode.BINARY and frame.data[:1] == MEDIA
        return frame if len(frame.data) < LEAST or is_media else super().encode(frame)


class DeflateFactory(ClientPerMessageDeflateFactory):
    """Offers it like the library does, and makes a `Deflate` of the answer."""

    def process_response_params(self, params: Sequence[Any], accepted_extensions: Sequence[Any]) -> PerMessageDeflate:
        """What was negotiated; the library's own errors where the answer is none."""
        agreed = super().process_response_params(params, accepted_extensions)
        return Deflate(
            agreed.remote_no_context_takeover,
            agreed.local_no_context_takeover,
            agreed.remote_max_window_bits,
            agreed.local_max_window_bits,
            agreed.compress_settings,
        )


def offers() -> list[ClientPerMessageDeflateFactory]:
    """What a handshake offers: no state between messages on either side, as every hub answers (B2)."""
    return [
        DeflateFactory(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            client_max_window_bits=True,
            compress_settings={"level": 1, "memLevel": 5},
        )
    ]
