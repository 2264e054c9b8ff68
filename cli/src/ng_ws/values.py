"""What a user typed as data: JSON where it is JSON, a text where it is none, a mistake where it was to be JSON."""

import json
from typing import Any

from .arguments import refuse_constant
from .exits import misused

_ANY_TEXT = "in a shell JSON stands in single quotes: '{\"a\":1}'; a text that looks like this goes with --as-text"

# What stands around a mistake is shown for so many characters on either side.
_AROUND = 20


def value_of(text: str | None, where: str = "DATA", *, is_text: bool = False, hint: str = _ANY_TEXT) -> Any:
    """JSON where it is JSON, the text itself where it does not begin as JSON does, or with `is_text`.

    What begins as JSON and is none, like `{a:1}` or `[1,2`, is a wrong argument, told with its place. Lines of logs
    begin with a bracket or a quote as well: those are texts unless they also end like JSON, or are cut off within it.
    """
    if text is None or is_text:
        return text
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as fault:
        is_cut_off = fault.pos >= len(text.rstrip()) or fault.msg.startswith("Unterminated")
        if _was_to_be_json(text.strip(), is_cut_off):
            raise _broken(where, text, fault, hint) from fault
    except RecursionError as fault:
        raise misused(where, "JSON of fewer levels", f"{text[:_AROUND]}…", hint) from fault
    except ValueError as fault:
        # NaN or Infinity: alone it is a word, within a value a mistake.
        if text.strip()[:1] in {"{", "["}:
            raise misused(where, "JSON", _excerpt(text, 0), f"{fault}; {hint}") from fault
    return text


def _was_to_be_json(text: str, is_cut_off: bool) -> bool:
    ends = {"{": "", "[": "]", '"': '"'}.get(text[:1])
    return ends is not None and (text.endswith(ends) or is_cut_off)


def _broken(where: str, text: str, fault: json.JSONDecodeError, way_out: str) -> Exception:
    place = f"line {fault.lineno} column {fault.colno}" if "\n" in text else f"column {fault.colno}"
    return misused(where, "JSON", _excerpt(text, fault.pos), f"{fault.msg} at {place}; {way_out}")


def _excerpt(text: str, place: int) -> str:
    start = max(0, place - _AROUND)
    before, after = "…" * (start > 0), "…" * (len(text) > place + _AROUND)
    return f"{before}{text[start : place + _AROUND]}{after}"
