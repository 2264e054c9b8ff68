"""The small language of `%neurograph query`: questions about tokens, read into values.

find all nodes where type = 'user' and priority >= 150 limit 20
find neighbors of 'disk failure' within 0.12 limit 10
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from neurograph_ws_client.expressions import ExpressionError, filter_of
from neurograph_ws_client.expressions.words import Word, words_of, wrong

from .errors import QueryError

GRAMMAR = """find all nodes [where CONDITION] [limit N]
find neighbors of 'TEXT' | [8 numbers] | TOKEN_ID [within RADIUS] [where CONDITION] [limit N]
CONDITION: FIELD = VALUE, != >= <= > <, ^= (begins with), *= (contains), in [A, B], not in [A, B], exists, missing;
           and, or, not, ( ); near("TEXT" or [8 numbers], RADIUS); dim.AXIS is a number of the vector
FIELD: token_id, type, priority, weight, created, is_novel, nearest_id, nearest_dist; of neighbors also distance"""

FIELDS = ("token_id", "type", "priority", "weight", "created", "is_novel", "nearest_id", "nearest_dist", "vector")
OF_NEIGHBORS = (*FIELDS, "distance", "similarity")
DEFAULT_LIMIT = 100
DEFAULT_NEIGHBORS = 10
MAX_LIMIT = 100_000
MAX_NEIGHBORS = 64
"""As many as the hub tells of one place."""
DIMENSIONS = 8

Around = str | int | list[float]


@dataclass(frozen=True, slots=True)
class Query:
    """A question. `around`: a text, 8 numbers or a token whose neighbours are asked for; None asks for all."""

    around: Around | None = None
    radius: float | None = None
    condition: Mapping[str, Any] | None = None
    limit: int = DEFAULT_LIMIT


def parsed(text: str) -> Query:
    """Read a question; QueryError shows the place and the grammar."""
    try:
        return _Reader(text).whole()
    except ExpressionError as fault:
        raise QueryError(str(fault).replace("\n       ", "\n")) from fault


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._words = _words(text)
        self._at = 0

    def whole(self) -> Query:
        """The question; nothing may stand behind it."""
        self._expect("find")
        if self._takes("all"):
            self._expect("nodes", "tokens")
            around, radius = None, None
        elif self._takes("neighbors", "neighbours"):
            self._expect("of")
            around, radius = self._around(), self._radius()
        else:
            raise self._wrong("expected all or neighbors")
        condition = self._condition(FIELDS if around is None else OF_NEIGHBORS)
        limit = self._limit(*((DEFAULT_LIMIT, MAX_LIMIT) if around is None else (DEFAULT_NEIGHBORS, MAX_NEIGHBORS)))
        if self._next.kind != "end":
            raise self._wrong("expected " + ("limit or the end" if condition else "where, limit or the end"))
        return Query(around, radius, condition, limit)

    @property
    def _next(self) -> Word:
        return self._words[self._at]

    def _takes(self, *texts: str) -> bool:
        is_it = self._next.kind == "word" and self._next.text.lower() in texts
        self._at += is_it
        return is_it

    def _expect(self, *texts: str) -> None:
        if not self._takes(*texts):
            raise self._wrong(f"expected {texts[0]}")

    def _wrong(self, expected: str, word: Word | None = None) -> ExpressionError:
        place = self._next if word is None else word
        return wrong(self._text, place.at, expected, place.text, GRAMMAR)

    def _number(self, expected: str) -> float:
        word = self._next
        value = word.value
        if word.kind != "value" or isinstance(value, bool | str) or value is None or not math.isfinite(value):
            raise self._wrong(expected)
        self._at += 1
        return float(value)

    def _around(self) -> Around:
        word = self._next
        if word.kind == "value" and isinstance(word.value, str) and word.value.strip():
            self._at += 1
            return word.value
        if word.kind == "value" and isinstance(word.value, int) and not isinstance(word.value, bool) and word.value > 0:
            self._at += 1
            return word.value
        if word.text == "[":
            return self._vector()
        raise self._wrong("expected 'TEXT', 8 numbers in [ ], or the id of a token")

    def _vector(self) -> list[float]:
        start = self._next
        self._at += 1
        numbers = [self._number("expected a number")]
        while self._next.text == ",":
            self._at += 1
            numbers.append(self._number("expected a number"))
        if self._next.text != "]":
            raise self._wrong("expected , or ]")
        self._at += 1
        if len(numbers) != DIMENSIONS:
            raise self._wrong(f"expected {DIMENSIONS} numbers", start)
        return numbers

    def _radius(self) -> float | None:
        if not self._takes("within"):
            return None
        word = self._next
        radius = self._number("expected a radius above 0")
        if radius <= 0:
            raise self._wrong("expected a radius above 0", word)
        return radius

    def _condition(self, fields: tuple[str, ...]) -> Mapping[str, Any] | None:
        if not self._takes("where"):
            return None
        start, end = self._next, self._end_of_condition()
        if start.at >= end.at:
            raise self._wrong("expected a condition")
        # Blanks instead of what stands before: places stay those of the whole question.
        part = " " * start.at + self._text[start.at : end.at]
        try:
            condition, names = filter_of(part)
        except ExpressionError as fault:
            raise ExpressionError(fault.message, _with_grammar(fault.hint, self._text)) from fault
        self._check(condition, names, fields, start)
        self._at = self._words.index(end)
        return condition

    def _end_of_condition(self) -> Word:
        """`limit` may only stand last, with its number: a field of that name would be taken for one elsewhere."""
        before = self._words[-3] if len(self._words) >= 3 else None
        is_limit = before is not None and before.kind == "word" and before.text.lower() == "limit"
        return before if is_limit and before is not None and before.at >= self._next.at else self._words[-1]

    def _check(self, condition: Any, names: list[str], fields: tuple[str, ...], start: Word) -> None:
        for name in names:
            if (first := name.partition(".")[0]) not in fields:
                near = get_close_matches(first, fields, n=1)
                expected = f"expected {near[0]}" if near else f"expected one of {', '.join(fields)}"
                place = next((w for w in self._words[self._words.index(start) :] if w.text == name), start)
                raise self._wrong(expected, place)
        for word in self._words[self._words.index(start) :]:
            if word.kind == "word" and word.text.partition(".")[0] in {"event", "key", "content_type", "tags", "meta"}:
                raise self._wrong("expected a field of a token; type is the name of its event", word)

    def _limit(self, default: int, most: int) -> int:
        if not self._takes("limit"):
            return default
        word = self._next
        value = self._number("expected a whole number")
        if not 1 <= value <= most or value != int(value):
            raise self._wrong(f"expected 1 to {most}", word)
        return int(value)


def _words(text: str) -> list[Word]:
    try:
        return words_of(text)
    except ExpressionError as fault:
        raise ExpressionError(fault.message, _with_grammar(fault.hint, text)) from fault


def _with_grammar(hint: str, text: str) -> str:
    """The mark under the place, and this language's grammar instead of that of filters."""
    mark = hint.split("\n")[1]
    shown = text.replace("\n", " ").expandtabs(1)
    return f"{shown}\n{mark}\n       {GRAMMAR}"
