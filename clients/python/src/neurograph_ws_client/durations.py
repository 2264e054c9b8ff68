"""Times as people read them."""

_UNITS = (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800))


def shown(duration: float) -> str:
    """A time in about two significant places: `0.84 s`, `12 s`, `3 min`, `2.5 h`, `4.6 d`."""
    if duration < 10:
        return f"{duration:.2f} s"
    for unit, length, longest in _UNITS:
        if duration < longest:
            return f"{duration / length:.{0 if length < 3600 else 1}f} {unit}"
    return f"{duration / 86_400:.1f} d"
