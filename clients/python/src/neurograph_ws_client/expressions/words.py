"""From the text of a filter to its words, each with its place."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

GRAMMAR = (
    "FIELD == VALUE, != >= <= > <, ^= (begins with), *= (contains), ~ (pattern, of event), in [A, B], not in [A, B], "
    'exists, missing; a FIELD alone is true; and, or, not, ( ); near("TEXT" or [8 numbers], RADIUS)'
)

Kind = Literal["word", "value", "operator", "mark", "end"]

_PARTS = re.compile(
    r"""\s*(?:
      (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<string>"(?:[^"\\]|\\.)*" | '[^']*')
    | (?P<operator>==|!=|>=|<=|\^=|\*=|=|>|<|~)
    | (?P<mark>[()\[\],])
    | (?P<word>[A-Za-z_][\w.:/-]*)
    )""",
    re.VERBOSE,
)
_LITERALS = {"true": True, "false": False, "null": None}


class ExpressionError(ValueError):
    """An expression that cannot be read: what was expected and what came, and `hint`, which shows the place."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}\n       {hint}")
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `value` is set for literals, `text` is what stands there."""

    kind: Kind
    text: str
    at: int
    value: Any = None


def words_of(text: str) -> list[Word]:
    """All words, and an end behind them."""
    words: list[Word] = []
    at = 0
    while text[at:].strip():
        found = _PARTS.match(text, at)
        if found is None or found.lastgroup is None:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise wrong(text, place, "expected a field, an operator or a value")
        words.append(_word(text, found))
        at = found.end()
    return [*words, Word("end", "the end", len(text))]


def _word(text: str, found: "re.Match[str]") -> Word:
    kind = str(found.lastgroup)
    piece, at = found[kind], found.start(kind)
    match kind:
        case "number":
            return Word("value", piece, at, json.loads(piece) if _is_json(piece) else float(piece))
        case "string":
            return Word("value", piece, at, _string(text, piece, at))
        case "word" if piece in _LITERALS:
            return Word("value", piece, at, _LITERALS[piece])
        case "word":
            return Word("word", piece, at)
        case "operator":
            return Word("operator", "==" if piece == "=" else piece, at)
    return Word("mark", piece, at)


def _is_json(number: str) -> bool:
    return re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", number) is not None


def _string(text: str, piece: str, at: int) -> str:
    if piece[0] == "'":
        return piece[1:-1]
    try:
        return str(json.loads(piece))
    except ValueError:
        raise wrong(text, at, "expected a string as in JSON") from None


def wrong(text: str, at: int, expected: str, came: str | None = None, grammar: str = GRAMMAR) -> ExpressionError:
    """What was expected, and where: the text with a mark under the place."""
    got = came or (text[at:].split() or ["the end"])[0]
    column = len(text[:at].expandtabs(1))
    shown = text.replace("\n", " ").expandtabs(1)
    return ExpressionError(f"{expected}, got {got!r}", f"{shown}\n       {' ' * column}^\n       {grammar}")
