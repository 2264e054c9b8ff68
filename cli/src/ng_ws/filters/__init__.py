"""What `--filter` and `--near` take: expressions (`neurograph_ws_client.expressions`), JSON, files."""

from neurograph_ws_client.expressions import GRAMMAR

from .reading import filter_of, near

__all__ = ["GRAMMAR", "filter_of", "near"]
