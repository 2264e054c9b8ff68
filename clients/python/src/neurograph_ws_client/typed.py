"""Data of a type that the application names: structs, dataclasses, TypedDicts, plain types (extra `typed`)."""

from collections.abc import Callable
from functools import partial
from typing import Any


def converter(wanted: Any) -> Callable[[Any], Any]:
    """Makes data one of a type, or raises msgspec.ValidationError, a ValueError, with the place that does not fit.

    ImportError says what to install. A type that msgspec does not know raises TypeError here, not at the first event.
    """
    try:
        import msgspec  # noqa: PLC0415 - an extra, asked for where it is used
    except ImportError as fault:
        raise ImportError('type= needs: pip install "neurograph-ws-client[typed]"') from fault
    msgspec.json.Decoder(wanted)
    return partial(msgspec.convert, type=wanted)
