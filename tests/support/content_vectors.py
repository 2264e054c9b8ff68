"""What senders encode (B10), and the frames of ready-made messages (B4): one suite over the hub's and the client's.

Each runs it over its own module: `class TestCompression(CompressionVectors): compressor = default_compressor`.
"""

import json
import random
import zlib
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[1] / "vectors"
CASES = json.loads((VECTORS / "compression.json").read_text())["cases"]
FRAMES = json.loads((VECTORS / "media.json").read_text())["cases"]
NOISE = random.Random(7).randbytes(100_000)


class CompressionVectors:
    """`compressor`: what is held to the vectors."""

    compressor: Any

    @pytest.mark.clause("B10")
    @pytest.mark.accept("F1")
    @pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
    def test_size_and_type_choose_the_encoding(self, case: dict[str, Any]) -> None:
        data = " ".join(map(str, range(case["size"])))[: case["size"]].encode()
        encoded = self.compressor.compress(data, case["content_type"])
        assert encoded.encoding == case["encoding"]
        assert (
            self.compressor.decompress(encoded.data, encoded.encoding) == data
            if encoded.encoding
            else encoded.data == data
        )

    @pytest.mark.clause("B10")
    @pytest.mark.accept("F1")
    def test_what_saves_less_than_a_tenth_goes_as_it_is(self) -> None:
        assert self.compressor.compress(NOISE).encoding is None
        barely = NOISE[:9_500] + bytes(500)
        assert self.compressor.compress(barely).encoding is None
        well = NOISE[:8_500] + bytes(1_500)
        assert self.compressor.compress(well).encoding == "zlib"

    @pytest.mark.clause("B10", "L9")
    def test_what_a_hub_would_take_for_a_bomb_goes_as_it_is(self) -> None:
        assert self.compressor.compress(bytes(100_000)).encoding is None

    @pytest.mark.accept("F2")
    def test_the_documents_call(self) -> None:
        large_data = {"events": [{"id": number, "type": "signal", "priority": number % 5} for number in range(250)]}
        size = len(json.dumps(large_data))
        compressed, was_compressed = self.compressor.compress_json(large_data)
        assert (was_compressed, 9_000 < size < 15_000, len(compressed) < size / 3) == (True, True, True)
        assert self.compressor.decompress_json(compressed) == large_data
        small, was_compressed = self.compressor.compress_json({"a": 1})
        assert (small, was_compressed, self.compressor.decompress_json(small)) == (b'{"a":1}', False, {"a": 1})
        text, was_compressed = self.compressor.compress_text("day " * 500)
        assert (was_compressed, self.compressor.decompress(text)) == (True, b"day " * 500)

    @pytest.mark.clause("B7", "L9")
    @pytest.mark.parametrize("encoding", ["gzip", "zlib", "deflate"])
    def test_decoding_is_bounded_and_whole(self, encoding: str) -> None:
        encoder = zlib.compressobj(wbits={"gzip": 31, "zlib": 15, "deflate": -15}[encoding])
        data = encoder.compress(bytes(5_000)) + encoder.flush()
        assert self.compressor.decompress(data, encoding, limit=5_000) == bytes(5_000)
        for wrong, limit, text in (
            (data, 4_999, "at most 4999 bytes"),
            (data[:-1], 5_000, "expected more bytes"),
            (b"", 5_000, "expected more bytes"),
            (data + b"\x00", 5_000, "more"),
            (b"\xff" * 20, 5_000, encoding),
        ):
            with pytest.raises(ValueError, match=text):
                self.compressor.decompress(wrong, encoding, limit=limit)
        with pytest.raises(ValueError, match="expected one of gzip, zlib, deflate"):
            self.compressor.decompress(data, "br")

    def test_levels_are_those_of_zlib(self) -> None:
        for level in (0, 10, "6"):
            with pytest.raises(ValueError, match="expected 1 to 9"):
                type(self.compressor)(level)
        assert type(self.compressor)(1).compress(b"the same " * 400).encoding == "zlib"


class MediaVectors:
    """`handler`: what makes and takes apart."""

    handler: Any

    @pytest.mark.clause("B4", "B6")
    @pytest.mark.accept("F3", "A15")
    @pytest.mark.parametrize("given", FRAMES, ids=[f"{number} {one['call']}" for number, one in enumerate(FRAMES)])
    def test_ready_made_messages_are_these_frames(self, given: dict[str, Any]) -> None:
        payload, header = bytes.fromhex(given["payload"]), given["header"]
        frame = getattr(self.handler, given["call"])(payload, **given["members"])
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert frame == b"\x01" + len(text).to_bytes(4, "big") + text + payload
        assert self.handler.parse_message(frame) == (header, payload)

    @pytest.mark.clause("B4")
    @pytest.mark.parametrize(
        "frame", [b"", b"\x01", b"\x02\0\0\0\x02{}", b"\x01\0\0\0\x03{}", b"\x01\0\0\0\x02[]", b"\x01\0\0\0\0"]
    )
    def test_what_is_no_frame_is_told(self, frame: bytes) -> None:
        with pytest.raises(ValueError, match=r"expected|Expecting|unexpected end|char 0"):
            self.handler.parse_message(frame)
