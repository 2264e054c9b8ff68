"""Another encoder for `SignalPipeline`: python examples/embedder.py [--model all-MiniLM-L6-v2]

`encoder` is any callable from a text to eight numbers. Two are shown: words that have a meaning on the eight axes,
and with `--model` a model of sentence-transformers (installed beside this), brought to eight dimensions by a fixed
projection that keeps distances in proportion. The built-in encoder knows spelling only; these know that "glad" and
"happy" are near.
"""

import argparse
import asyncio
import math
import random
import re
from collections.abc import Callable, Sequence

from channels import SignalPipeline, SignalSystem

AXES = {
    "physical": "disk cable door engine rain stone walk wall wheel",
    "sensory": "bright cold dark hear loud red see smell taste warm",
    "motor": "build carry drive jump move run throw turn write",
    "emotional": "afraid angry cheerful delighted glad happy joyful love sad",
    "cognitive": "because decide guess idea know learn plan remember think",
    "social": "ask friend group help meet people share talk team",
    "temporal": "after before early late later now soon today tomorrow yesterday",
    "abstract": "cause freedom law number order reason rule truth value",
}
PLACES = {word: axis for axis, words in enumerate(AXES.values()) for word in words.split()}


def by_meaning(text: str) -> list[float]:
    """How much of the text belongs to each axis: 0.2 nothing, 0.8 all of it."""
    found = [PLACES[word] for word in re.findall(r"\w+", text.lower()) if word in PLACES]
    return [0.2 + 0.6 * found.count(axis) / max(len(found), 1) for axis in range(len(AXES))]


def projected(embed: Callable[[str], Sequence[float]], dimensions: int, seed: int = 8) -> Callable[[str], list[float]]:
    """An embedding of any number of dimensions in eight: the same projection for the same seed, centred at 0.5."""
    chance = random.Random(seed)
    rows = [[chance.gauss(0.0, 1.0) / math.sqrt(dimensions) for _ in range(dimensions)] for _ in range(8)]

    def encode(text: str) -> list[float]:
        vector = embed(text)
        length = math.sqrt(sum(x * x for x in vector)) or 1.0
        return [0.5 + sum(a * x for a, x in zip(row, vector, strict=True)) / length for row in rows]

    return encode


def of_model(name: str) -> Callable[[str], list[float]]:
    """A model of sentence-transformers."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - only where it is asked for

    model = SentenceTransformer(name)
    return projected(lambda text: model.encode(text).tolist(), model.get_sentence_embedding_dimension())


async def main(model: str | None) -> None:
    """Say what is new about a few lines."""
    pipeline = SignalPipeline(SignalSystem(), encoder=by_meaning if model is None else of_model(model))
    for text in ("I am glad to meet you", "happy to meet you", "the disk is late today", "tomorrow the disk is early"):
        result = (await pipeline.process_text(text))["processing_result"]
        near = [neighbor["token_id"] for neighbor in result["neighbors"]]
        print(f"{result['token_id']}  {'new  ' if result['is_novel'] else 'known'}  near {near}  {text}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="of sentence-transformers")
    asyncio.run(main(parser.parse_args().model))
