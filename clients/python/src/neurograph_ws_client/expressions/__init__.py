"""Filters as people write them, and the JSON of the protocol that they become (PROTOCOL.md, F).

is_novel and priority >= 150
event ^= "signal." and tags.env in ["prod", "stage"]
event ~ "signal.*.text" or dim.emotional > 0.8
near("disk failure", 0.12) and not (key == "db1")
"""

from .reading import filter_of, joined
from .words import GRAMMAR, ExpressionError

__all__ = ["GRAMMAR", "ExpressionError", "filter_of", "joined"]
