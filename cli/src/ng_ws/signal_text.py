"""A processed signal in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from .escape import escaped

_MOST_NEIGHBORS = 3


def signal_line(token_id: Any, neighbors: Sequence[Any], *, is_novel: bool) -> str:
    """`token 17 new`, or `token 18 known, near 17 (0.034), 9 (0.110)`."""
    near = ", ".join(_neighbor(one) for one in neighbors[:_MOST_NEIGHBORS])
    return escaped(f"token {token_id} {'new' if is_novel else 'known'}{f', near {near}' if near else ''}")


def _neighbor(one: Any) -> str:
    return f"{one['token_id']} ({one['distance']:.3f})" if isinstance(one, Mapping) else str(one)
