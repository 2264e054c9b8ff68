"""Ready-made media messages on the hub's side: see `tests.support.content_vectors`."""

from channels.binary import binary_handler
from tests.support.content_vectors import MediaVectors


class TestBinary(MediaVectors):
    handler = binary_handler
