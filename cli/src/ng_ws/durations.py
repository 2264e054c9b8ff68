"""Times as people write them: `250ms`, `30s`, `10m`, `1h`; a bare number is seconds."""

import re

from .exits import misused

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_SHOWN = (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800))
_FORM = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")


def seconds(option: str, text: str) -> float:
    """Read a time; a wrong one names the option."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise misused(option, "a time like 250ms, 30s, 10m or 1h", text)
    return float(found[1]) * _UNITS[found[2]]


def shown(duration: float) -> str:
    """A time in about two significant places: `0.84 s`, `12 s`, `3 min`, `2.5 h`, `4.6 d`."""
    if duration < 10:
        return f"{duration:.2f} s"
    for unit, length, longest in _SHOWN:
        if duration < longest:
            return f"{duration / length:.{0 if length < 3600 else 1}f} {unit}"
    return f"{duration / 86_400:.1f} d"
