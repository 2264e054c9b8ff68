"""The built-in encoder: one description, one set of vectors, the same bits everywhere (signals.md 9 and 11, 13)."""

import json
import math
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import _native
from channels.encoder import encode_text

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "encoder.json").read_text())["cases"]
texts = st.text(st.characters(exclude_categories=["Cn"]))
"""Of characters that this Python's Unicode knows: newer ones may differ between implementations."""


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_the_shared_vectors_are_equal_to_the_last_bit(case: dict[str, Any]) -> None:
    assert case["vector"] == encode_text(case["text"])
    assert case["vector"] == _native.encode_text(case["text"])


@given(texts)
def test_python_and_rust_return_the_same_bits_for_any_text(text: str) -> None:
    assert encode_text(text) == _native.encode_text(text)


def test_python_and_rust_agree_on_what_a_letter_is() -> None:
    # Of the large blocks of equals (ideographs, syllables) some are enough; private characters are all one category.
    large = ("CJK ", "HANGUL SYLLABLE", "TANGUT", "EGYPTIAN", "CUNEIFORM")
    named = ((code, unicodedata.name(chr(code), "")) for code in range(0x110000))
    known = [chr(code) for code, name in named if name and (code % 50 == 0 or not name.startswith(large))]
    lines = [" ".join(f"a{c}b {c}" for c in known[start : start + 16]) for start in range(0, len(known), 16)]
    assert [line for line in lines if encode_text(line) != _native.encode_text(line)] == []


@given(texts)
def test_every_coordinate_is_finite_and_within_reach_of_the_centre(text: str) -> None:
    vector = encode_text(text)
    assert len(vector) == 8
    assert all(0.3 < x < 0.7 for x in vector)


@given(st.text(st.characters(exclude_categories=["L", "M", "N", "Cn"])))
def test_a_text_without_words_is_the_centre(text: str) -> None:
    # Normal forms of symbols may be letters ("™"); those are words.
    has_words = any(unicodedata.category(c)[0] in "LMN" for c in unicodedata.normalize("NFKC", text))
    assert (encode_text(text) == [0.5] * 8) == (not has_words)


def test_case_and_punctuation_do_not_count() -> None:
    assert encode_text("Disk FAILURE on db4!") == encode_text("disk, failure: on (db4)")


def test_a_changed_character_stays_within_the_default_radius_and_another_text_does_not() -> None:
    line = "disk failing on db4: raid array degraded, rebuild has started on the spare"
    near = math.dist(encode_text(line), encode_text(line.replace("started", "startet")))
    far = math.dist(encode_text(line), encode_text("пользователь вошёл в систему"))
    assert near < 0.1 < far
