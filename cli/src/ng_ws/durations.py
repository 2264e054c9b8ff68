"""Times as people write them: `250ms`, `30s`, `10m`, `1h`; a bare number is seconds."""

import re
import time
from datetime import datetime

from .exits import misused

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_EXPECTED = "a time like 250ms, 30s, 10m or 1h"
_FORM = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")


def seconds(option: str, text: str) -> float:
    """Read a time; a wrong one names the option."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise misused(option, _EXPECTED, text)
    return float(found[1]) * _UNITS[found[2]]


def since(option: str, text: str) -> float:
    """Seconds since 1970 of a time so long ago (`10m`), or of a date and time; without a zone it is this machine's."""
    if _FORM.fullmatch(text.strip()):
        return time.time() - seconds(option, text)
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError) as fault:
        raise misused(option, f"{_EXPECTED}, or a date and time like 2026-11-28T23:26:00", text) from fault
