"""Text as a vector: the built-in encoder of `SignalPipeline`.

Deterministic, without a model, and the same to the last bit in Python, Rust (`channels._native.encode_text`, far
faster and what `SignalPipeline` calls) and TypeScript; `tests/vectors/encoder.json` holds all of them to it. It knows
spelling, not meaning, and gives the eight axes none: a real embedding is another `encoder`.
"""

import math
import unicodedata
from collections import defaultdict
from itertools import groupby
from typing import Final

DIMENSIONS: Final = 8
CENTRE: Final = 0.5
REACH: Final = 0.2

_UINT32: Final = 0xFFFF_FFFF


def encode_text(text: str) -> list[float]:
    """Return the eight coordinates of `text`, each above 0.3 and below 0.7.

    1. Normal form: NFKC, then lower case (both by the full Unicode mappings).
    2. Words: the longest runs of letters, marks and numbers (general categories L*, M*, N*).
    3. Features: each word counts 1; each run of three code points of `^word$` counts 1/2. What is spelt the same is
       one feature, whether it came as a word or as a run; its counts are added up over the whole text. The order of
       features is that of their first appearance (a word before its runs).
    4. A feature's hash: FNV-1a (32 bits) over its UTF-8, then the final mix of MurmurHash3.
    5. For axis i from 0 to 7, bit i of the hash gives a sign (1: plus) and the three bits from 8 + 3i a size
       1/2 + bits / 14. Each coordinate is the sum over the features, in their order, of sign * size * sqrt(count).
    6. The sums are divided by the square root of the sum of all counts, squashed by v / (1 + |v|), and mapped to
       0.5 + 0.2 * v. A text without words becomes the centre: eight times 0.5.

    All arithmetic is in 64-bit floats, in the order given, so that every implementation returns the same bits. Texts
    whose characters are newer than the Unicode version of one implementation may differ between them.
    """
    sums = [0.0] * DIMENSIONS
    squares = 0.0
    for feature, count in _features(text).items():
        squares += count
        weight = math.sqrt(count)
        code = _hash(feature)
        for axis in range(DIMENSIONS):
            size = 0.5 + (code >> (8 + 3 * axis) & 7) / 14.0
            sums[axis] += (size if code >> axis & 1 else -size) * weight
    if squares == 0.0:
        return [CENTRE] * DIMENSIONS
    length = math.sqrt(squares)
    return [CENTRE + REACH * (v / (1.0 + abs(v))) for v in (total / length for total in sums)]


def _features(text: str) -> dict[str, float]:
    counts: defaultdict[str, float] = defaultdict(float)
    for is_word, run in groupby(unicodedata.normalize("NFKC", text).lower(), _is_word_character):
        if not is_word:
            continue
        word = "".join(run)
        counts[word] += 1.0
        framed = f"^{word}$"
        for start in range(len(framed) - 2):
            counts[framed[start : start + 3]] += 0.5
    return counts


def _is_word_character(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def _hash(feature: str) -> int:
    code = 0x811C_9DC5
    for byte in feature.encode():
        code = (code ^ byte) * 0x0100_0193 & _UINT32
    code = (code ^ code >> 16) * 0x85EB_CA6B & _UINT32
    code = (code ^ code >> 13) * 0xC2B2_AE35 & _UINT32
    return code ^ code >> 16
