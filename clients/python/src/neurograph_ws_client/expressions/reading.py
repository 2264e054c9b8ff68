"""From words to the JSON of a filter."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..filters import near
from ..vectors import DIMENSIONS
from .fields import axes, path_of
from .words import ExpressionError, Word, words_of, wrong

Filter = dict[str, Any]

_RESERVED = frozenset({"and", "or", "not", "in", "exists", "missing"})
"""Words of the grammar, which are no fields: `data.and` names one that is called so."""
_OPERATORS = {"!=": "ne", ">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "^=": "prefix", "*=": "contains", "~": "glob"}


def filter_of(text: str) -> tuple[Filter, list[str]]:
    """The JSON that an expression stands for, and the bare names in it, which are read as those of the data.

    Raises ExpressionError, which shows the place and the grammar.
    """
    reader = _Reader(text)
    return reader.whole(), reader.bare


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

    def _wrong(self, expected: str) -> ExpressionError:
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
        if self._next.kind != "word" or self._next.text in _RESERVED:
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
        center = self._list() if self._next.text == "[" else str(self._value())
        if isinstance(center, list) and (len(center) != DIMENSIONS or not all(map(_is_number, center))):
            raise wrong(self._text, place.at, f"expected a text or {DIMENSIONS} numbers", place.text)
        self._expect(",")
        radius = self._next
        if not _is_number(self._value()) or radius.value < 0:
            raise wrong(self._text, radius.at, "expected a radius from 0", radius.text)
        self._expect(")")
        return near(center, radius.value)

    def _expect(self, mark: str) -> None:
        if not self._takes("mark", mark):
            raise self._wrong(f"expected {mark}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
