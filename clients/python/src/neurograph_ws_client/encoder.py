"""The hub's built-in text encoder in pure Python, the same to the last bit: spelling as a place in signal space.

Deterministic, no model: equal texts have equal vectors, texts with equal words and letters lie near. It knows
spelling, not meaning, and gives the axes none.
"""

import unicodedata
from collections import defaultdict
from enum import IntEnum
from itertools import groupby
from math import sqrt

_CENTRE = 0.5
_REACH = 0.2


class Axis(IntEnum):
    """The axes of the signal space by name, for vectors whose encoder gives them a meaning."""

    PHYSICAL = 0
    SENSORY = 1
    MOTOR = 2
    EMOTIONAL = 3
    COGNITIVE = 4
    SOCIAL = 5
    TEMPORAL = 6
    ABSTRACT = 7


def encode_text(text: str) -> list[float]:
    """The vector of a text: 8 numbers from 0.3 to 0.7; the centre where it has no words. TypeError for no text."""
    if not isinstance(text, str):
        raise TypeError(f"text: expected a string, got {text!r:.80}")
    weights = _features(text)
    sums = [0.0] * 8
    for feature, weight in weights.items():
        counted, mixed = sqrt(weight), _hash(feature.encode())
        for axis in range(8):
            size = 0.5 + (mixed >> (8 + 3 * axis) & 7) / 14
            sums[axis] += counted * size if mixed >> axis & 1 else -counted * size
    norm = sqrt(sum(weights.values())) or 1.0
    return [_CENTRE + _REACH * _squash(value / norm) for value in sums]


def _features(text: str) -> dict[str, float]:
    """Words count 1, the letter trigrams of ^word$ count a half, added up over repeats."""
    weights: defaultdict[str, float] = defaultdict(float)
    for is_word, run in groupby(unicodedata.normalize("NFKC", text).lower(), _is_of_a_word):
        if not is_word:
            continue
        word = "".join(run)
        weights[word] += 1.0
        framed = f"^{word}$"
        for start in range(len(framed) - 2):
            weights[framed[start : start + 3]] += 0.5
    return weights


def _is_of_a_word(character: str) -> bool:
    """Letters, marks and numbers make words."""
    return unicodedata.category(character)[0] in "LMN"


def _hash(feature: bytes) -> int:
    """FNV-1a in 32 bits with a final mix, so that every bit depends on every letter."""
    mixed = 0x811C9DC5
    for byte in feature:
        mixed = (mixed ^ byte) * 0x01000193 & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return mixed ^ mixed >> 16


def _squash(value: float) -> float:
    return value / (1 + abs(value))
