"""From words to the JSON of a filter."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurograph_ws_client import encode_text

from ..exits import Exit, Failed, misused
from .fields import axes, path_of
from .words import Word, words_of, wrong

Filter = dict[str, Any]

_OPERATORS = {"!=": "ne", ">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "^=": "prefix", "*=": "contains", "~": "glob"}
_DIMENSIONS = 8


def filter_of(text: str) -> tuple[Filter, list[str]]:
    """Read `--filter`: an expression, a JSON object, or `@FILE` with one of these. Also the bare names in it."""
    if text.startswith("@"):
        text = _content(Path(text[1:]))
    if text.lstrip().startswith("{"):
        return _object(text), []
    reader = _Reader(text)
    return reader.whole(), reader.bare


def near(text: str, radius: float) -> Filter:
    """Signals within `radius` of a text, or of 8 numbers between commas."""
    from ..emit import vector_of  # noqa: PLC0415 - the reader of vectors

    vector = vector_of(text)
    return _near(encode_text(text) if vector is None else vector, radius)


def _near(center: Sequence[float], radius: float) -> Filter:
    return {"data.vector": {"near": {"center": list(center), "radius": radius}}}


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "not UTF-8"
        raise Failed(Exit.USAGE, f"--filter: expected a readable file, got {path}: {reason}") from fault


def _object(text: str) -> Filter:
    try:
        found = json.loads(text)
    except ValueError as fault:
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        raise misused("--filter", "a JSON object, or an expression", shown, str(fault)) from fault
    return dict(found)


def joined(filters: Sequence[Filter]) -> Filter:
    """All of them: members of one object where that can be said so, else `all`."""
    merged: Filter = {}
    for one in filters:
        for field, condition in one.items():
            if field not in merged:
                merged[field] = condition
            elif (both := _both(merged[field], condition)) is not None and field not in ("all", "any", "not"):
                merged[field] = both
            else:
                return {"all": [dict(each) for each in filters]}
    return merged


def _both(one: Any, other: Any) -> Filter | None:
    """Two conditions on one field as one object of operators; None where they use the same operator."""
    first, second = _operators(one), _operators(other)
    return None if first.keys() & second.keys() else {**first, **second}


def _operators(condition: Any) -> Filter:
    return dict(condition) if isinstance(condition, Mapping) else {"eq": condition}


class _Reader:
    """Reads by descent: `or` binds weaker than `and`, `and` weaker than `not`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = words_of(text)
        self._at = 0
        self.bare: list[str] = []

    def whole(self) -> Filter:
        """The filter; nothing may stand behind it."""
        if self._next.kind == "end":
            raise self._wrong("expected a filter")
        found = self._any()
        if self._at < len(self._words) - 1:
            raise self._wrong("expected and, or, or the end")
        return found

    @property
    def _next(self) -> Word:
        return self._words[self._at]

    def _take(self) -> Word:
        self._at += 1
        return self._words[self._at - 1]

    def _takes(self, kind: str, text: str) -> bool:
        is_it = self._next.kind == kind and self._next.text == text
        self._at += is_it
        return is_it

    def _wrong(self, expected: str) -> Failed:
        return wrong(self._text, self._next.at, expected, self._next.text)

    def _any(self) -> Filter:
        options = [self._all()]
        while self._takes("word", "or"):
            options.append(self._all())
        return options[0] if len(options) == 1 else {"any": options}

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._takes("word", "and"):
            parts.append(self._one())
        return joined(parts)

    def _one(self) -> Filter:
        if self._takes("word", "not"):
            return {"not": self._one()}
        if self._takes("mark", "("):
            inner = self._any()
            self._expect(")")
            return inner
        if self._next.kind != "word":
            raise self._wrong("expected a field, not, near or (")
        word = self._take()
        if word.text == "near" and self._takes("mark", "("):
            return self._near()
        return {self._path(word): self._condition(word)}

    def _path(self, word: Word) -> str:
        path = path_of(word.text)
        if path is None:
            raise wrong(self._text, word.at, f"expected dim. and one of {axes()}", word.text)
        if path == f"data.{word.text}":
            self.bare.append(word.text)
        return path

    def _condition(self, field: Word) -> Any:
        if self._takes("word", "exists"):
            return {"exists": True}
        if self._takes("word", "missing"):
            return {"exists": False}
        if self._takes("word", "in"):
            return {"in": self._list()}
        if self._next.text == "not" and self._words[self._at + 1].text == "in":
            self._at += 2
            return {"nin": self._list()}
        if self._next.kind != "operator":
            return True
        operator = self._take()
        value = self._value()
        if operator.text == "~" and field.text != "event":
            raise wrong(self._text, operator.at, "expected ~ on event only", operator.text)
        return value if operator.text == "==" else {_OPERATORS[operator.text]: value}

    def _value(self) -> Any:
        if self._next.kind != "value":
            raise self._wrong('expected a number, "text", true, false or null')
        return self._take().value

    def _list(self) -> list[Any]:
        self._expect("[")
        values = [self._value()]
        while self._takes("mark", ","):
            values.append(self._value())
        self._expect("]")
        return values

    def _near(self) -> Filter:
        place = self._next
        center = self._list() if self._next.text == "[" else encode_text(str(self._value()))
        if len(center) != _DIMENSIONS or not all(_is_number(one) for one in center):
            raise wrong(self._text, place.at, f"expected a text or {_DIMENSIONS} numbers", place.text)
        self._expect(",")
        radius = self._next
        if not _is_number(self._value()) or radius.value < 0:
            raise wrong(self._text, radius.at, "expected a radius from 0", radius.text)
        self._expect(")")
        return _near(center, radius.value)

    def _expect(self, mark: str) -> None:
        if not self._takes("mark", mark):
            raise self._wrong(f"expected {mark}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
