"""What an application gives: checked at the call, where the mistake is, and told with what was expected and came."""

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from .fitness import fault_of

# S10: how far ahead of the acknowledged position a hub may send.
MAX_WINDOW = 10_000

# S7, in events per second.
RATES = (0.1, 1000.0)

# R2; what it says stays unsaid: it is secret.
_TOKEN_FORM = re.compile(r"[A-Za-z0-9_-]{1,16384}")


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """ValueError unless it is one of these."""
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        words = ", ".join(f'"{choice}"' if isinstance(choice, str) else repr(choice) for choice in choices)
        raise ValueError(f"{name}: expected {' or '.join(words.rsplit(', ', 1))}, got {value!r:.80}")


def check_whole(name: str, value: object, low: int, high: int | None = None, why: str = "") -> None:
    """ValueError unless it is a whole number from `low` on, or up to `high`."""
    if type(value) is not int or value < low or (high is not None and value > high):
        expected = f"at least {low}" if high is None else f"a whole number from {low} to {high:,}"
        raise ValueError(f"{name}: expected {expected}{why}, got {value!r:.80}")


def check_options(options: Mapping[str, Any]) -> None:
    """The options of a subscription as they go on the wire (F1, S2, S7, S10), those that were given."""
    if "filter" in options and not isinstance(options["filter"], Mapping):
        raise ValueError(f"filter: expected an object, got {options['filter']!r:.80}")
    if (fault := fault_of({"filter": options.get("filter")})) is not None:
        raise fault
    if "delivery" in options:
        check_choice("delivery", options["delivery"], ("all", "latest"))
    if "on_slow" in options:
        check_choice("on_slow", options["on_slow"], ("gap", "close"))
    if "max_rate" in options:
        _check_rate(options["max_rate"])
    if "ack" in options:
        check_whole("ack", options["ack"], 1, MAX_WINDOW)


def _check_rate(rate: object) -> None:
    low, high = RATES
    is_number = isinstance(rate, int | float) and not isinstance(rate, bool) and isfinite(rate)
    if not is_number or not low <= rate <= high:  # type: ignore[operator]  # a number by now
        raise ValueError(f"max_rate: expected {low:g} to {high:,.0f} events per second, got {rate!r:.80}")


def check_token(token: object) -> None:
    """A reconnection token has the form of R2; ValueError says what came without showing it."""
    if isinstance(token, str) and _TOKEN_FORM.fullmatch(token):
        return
    came = f"a str of {len(token):,}" if isinstance(token, str) else type(token).__name__
    raise ValueError(f"reconnection_token: expected 1 to 16,384 characters of A-Z, a-z, 0-9, _ and -, got {came}")
