"""What the hub's side encodes: see `tests.support.content_vectors`."""

from channels.compression import default_compressor
from tests.support.content_vectors import CompressionVectors


class TestCompression(CompressionVectors):
    compressor = default_compressor
