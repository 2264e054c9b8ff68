"""When faults were at work: what happened beside one has a reason of its own, and is not held against the hub."""

from math import inf

from .history import Line


class Calm:
    """The times of the faults of a run, in nanoseconds."""

    def __init__(self) -> None:
        self._begun: dict[object, int] = {}
        self._over: list[tuple[int, int]] = []

    def take(self, line: Line) -> None:
        """A line of the history that tells of a fault."""
        match line.get("do"):
            case "begun":
                self._begun[line["no"]] = int(line["t"])
            case "healed" if line["no"] in self._begun:
                self._over.append((self._begun.pop(line["no"]), int(line["t"])))

    def lasted(self, start: int, end: int) -> bool:
        """Whether no fault was at work at any time from `start` to `end`."""
        under_way = [(begun, inf) for begun in self._begun.values()]
        return not any(begun <= end and healed >= start for begun, healed in (*self._over, *under_way))
