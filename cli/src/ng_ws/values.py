"""What a user typed as data: JSON where it is JSON, a text where it is none, a mistake where it was to be JSON."""

import json
from enum import Enum
from typing import Any

from .arguments import refuse_constant
from .exits import Exit, Failed, misused

_ANY_TEXT = "in a shell JSON stands in single quotes: '{\"a\":1}'; a text that looks like this goes with --text"

# What stands around a mistake is shown for so many characters on either side.
_AROUND = 20


class Form(Enum):
    """What data is to be read as."""

    LIKELY = "JSON where it is JSON, else a text"
    JSON = "JSON, and nothing else"
    TEXT = "a text, whatever it looks like"


def form_of(*, is_json: bool, is_text: bool) -> Form:
    """Read `--json` and `--text`."""
    if is_json and is_text:
        raise Failed(Exit.USAGE, "--json, --text: expected one of them, got both")
    return Form.JSON if is_json else Form.TEXT if is_text else Form.LIKELY


def value_of(text: str | None, where: str = "DATA", *, form: Form = Form.LIKELY, hint: str = _ANY_TEXT) -> Any:
    """What was typed as one value: JSON where it is JSON, the text itself where it does not begin as JSON does.

    What begins as JSON and is none, like `{a:1}` or `[1,2`, is a wrong argument, told with its place: a shell eats
    quotes. Words in brackets or quotes are texts unless they also end like JSON, or are cut off within it.
    """
    if text is None or form is Form.TEXT:
        return text
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as fault:
        is_cut_off = fault.pos >= len(text.rstrip()) or fault.msg.startswith("Unterminated")
        if form is Form.JSON or _was_to_be_json(text.strip(), is_cut_off):
            raise _broken(where, text, fault, hint) from fault
    except RecursionError as fault:
        raise misused(where, "JSON of fewer levels", f"{text[:_AROUND]}…", hint) from fault
    except ValueError as fault:
        # NaN or Infinity: alone it is a word, within a value a mistake.
        if form is Form.JSON or text.strip()[:1] in {"{", "["}:
            raise misused(where, "JSON", _excerpt(text, 0), f"{fault}; {hint}") from fault
    return text


def line_of(text: str, where: str, form: Form) -> Any:
    """What a program wrote as a line, which no shell has spoilt: JSON where all of it is JSON, else a text."""
    if form is not Form.LIKELY:
        return value_of(text, where, form=form)
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        return text


def _was_to_be_json(text: str, is_cut_off: bool) -> bool:
    ends = {"{": "", "[": "]", '"': '"'}.get(text[:1])
    return ends is not None and (text.endswith(ends) or is_cut_off)


def _broken(where: str, text: str, fault: json.JSONDecodeError, way_out: str) -> Exception:
    place = f"line {fault.lineno} column {fault.colno}" if "\n" in text else f"column {fault.colno}"
    return misused(where, "JSON", _excerpt(text, fault.pos), f"{fault.msg.removesuffix(' at')} at {place}; {way_out}")


def _excerpt(text: str, place: int) -> str:
    start = max(0, place - _AROUND)
    before, after = "…" * (start > 0), "…" * (len(text) > place + _AROUND)
    return f"{before}{text[start : place + _AROUND]}{after}"
