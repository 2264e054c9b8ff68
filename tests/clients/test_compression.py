"""What the Python client encodes: see `tests.support.content_vectors`."""

from neurograph_ws_client import compress_json, decompress_json, default_compressor

from tests.support.content_vectors import CompressionVectors


class TestCompression(CompressionVectors):
    compressor = default_compressor


def test_the_short_names_are_those_of_the_default() -> None:
    assert decompress_json(compress_json(list(range(2_000)))[0]) == list(range(2_000))
