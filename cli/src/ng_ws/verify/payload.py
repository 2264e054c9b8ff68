"""What is published in a run, and how it is known again: who sent it, as which of how many, and a digest of it all."""

from random import Random
from typing import Any, NamedTuple

from neurograph_ws_client import Event

from .history import digest

NAME = "verify.entry"

# Characters of filling: most entries are small, some are longer than one TCP segment.
_SIZES = (0, 16, 64, 300, 3000)


class Payload(NamedTuple):
    """One entry to publish."""

    id: str
    data: dict[str, Any]
    sum: str


def payload(run: str, publisher: str, seq: int, channel: str, random: Random) -> Payload:
    """The `seq`-th entry of a publisher."""
    filling = f"{random.getrandbits(64):016x}" * (random.choice(_SIZES) // 16)
    content = {"run": run, "id": f"{publisher}-{seq}", "ch": channel, "pub": publisher, "seq": seq, "fill": filling}
    named = digest(content)
    return Payload(str(content["id"]), {**content, "sum": named}, named)


def known(run: str, event: Event[Any]) -> tuple[str | None, str | None]:
    """Id and digest of what came; no id where it is of another run, or of somebody else."""
    data = event.data
    if not isinstance(data, dict) or data.get("run") != run or event.event != NAME:
        return None, None
    content = {name: value for name, value in data.items() if name != "sum"}
    named = digest(content)
    return str(data.get("id")), named if data.get("sum") == named else f"{named} instead of {data.get('sum')}"
