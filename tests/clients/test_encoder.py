"""The text encoder in pure Python against the vectors of the hub's."""

import json
from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client import Axis, encode_text

from channels.encoder import encode_text as encode_at_the_hub

CASES: Any = json.loads((Path(__file__).parents[1] / "vectors" / "encoder.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_client_encodes_to_the_last_bit_as_the_hub_does(case: Any) -> None:
    assert case["vector"] == encode_text(case["text"])


def test_a_long_text_of_many_scripts_is_the_same_at_both_ends() -> None:
    text = " ".join(chr(number) for number in range(0x20, 0x3000, 7))
    assert encode_at_the_hub(text) == encode_text(text)


@pytest.mark.accept("N6")
def test_the_axes_have_their_names() -> None:
    assert [axis.name for axis in sorted(Axis)] == [
        "PHYSICAL",
        "SENSORY",
        "MOTOR",
        "EMOTIONAL",
        "COGNITIVE",
        "SOCIAL",
        "TEMPORAL",
        "ABSTRACT",
    ]
    assert Axis(3) is Axis.EMOTIONAL
