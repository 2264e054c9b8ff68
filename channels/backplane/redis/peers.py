"""The other nodes as this one hears them: each in the order in which it told, each message once (N9, N15).

No I/O: `hear` gives what may be handed on, and says whether something that was kept has to be read first.
"""

from collections.abc import Iterable, Mapping

from channels.backplane.bus import SILENT_SECONDS
from channels.backplane.redis.control import Control

FORGOTTEN_SECONDS = 600.0
"""A run of a node that was not heard of for so long is a stranger again."""
MOST_HELD = 1_000
"""Messages of one run that wait for what was kept before them."""


class _Run:
    __slots__ = ("has_left", "heard_at", "held", "kept", "known_at", "number")

    def __init__(self) -> None:
        self.number = 0
        """The last message that was handed on."""
        self.kept = 0
        """The last of the kept ones."""
        self.heard_at = 0.0
        """When it spoke last; 0: only what it kept was read."""
        self.known_at = 0.0
        """When something of it was heard or read."""
        self.has_left = False
        self.held: list[Control] = []


class Peers:
    """All runs of all nodes that were heard of. `now`: seconds of the monotonic clock."""

    def __init__(self, node: str, run: str) -> None:
        self.is_caught_up = False
        """Whether what was kept has been read since the connection opened; before that nothing is handed on."""
        self.lost = 0
        """Messages that could not be held."""
        self.repeated = 0
        self._node = node
        self._run = run
        self._runs: dict[tuple[str, str], _Run] = {}

    def __len__(self) -> int:
        """Runs that are remembered."""
        return len(self._runs)

    def hear(self, message: Control, now: float) -> tuple[list[Control], bool]:
        """-> (what may be handed on now, whether what was kept has to be read)"""
        if message.run == self._run:
            return [], False
        run = self._heard_of(message, now)
        if message.number <= run.number:
            self.repeated += 1
            return [], False
        if not self.is_caught_up or run.held or not _follows(message, run):
            self._hold(run, message)
            return [], True
        return self._hand_on(run, [message]), False

    def notice(self, message: Control, now: float) -> bool:
        """A node is there. -> whether something that it kept was not heard"""
        run = self._heard_of(message, now)
        return message.kept > max(run.kept, *(one.kept for one in run.held), 0)

    def read(self, messages: Iterable[Control], now: float) -> None:
        """What was kept, in the order in which it was told; `release` hands on what of it is news."""
        for message in messages:
            if message.run == self._run:
                continue
            run = self._run_of(message)
            run.known_at = now
            if message.kept > run.kept and all(one.number != message.number for one in run.held):
                run.held.append(message)

    def release(self) -> list[Control]:
        """What was kept has been read: what waited for it may go on, though something be missing for good."""
        self.is_caught_up = True
        return [message for run in self._runs.values() for message in self._release(run)]

    def nodes(self, now: float) -> Mapping[str, float]:
        """The other nodes that are there, and how many seconds ago they were heard of."""
        return {node: age for node, age, has_left in self._heard(now, SILENT_SECONDS) if not has_left}

    def known(self, now: float, within: float) -> set[str]:
        """Other runs of nodes that were heard of within so many seconds, as `node/run`.

        Those that have left know what they told, too, and so do former lives.
        """
        return {
            f"{node}/{name}"
            for (node, name), run in self._runs.items()
            if name != self._run and run.heard_at and now - run.heard_at <= within
        }

    def is_namesake_heard(self, now: float) -> bool:
        """Whether another process bears the name of this node."""
        return any(
            node == self._node and run.heard_at and now - run.heard_at < 2.0 for (node, _), run in self._runs.items()
        )

    def leave(self, message: Control) -> None:
        """A node has said that it goes."""
        run = self._runs.get((message.node, message.run))
        if run is not None:
            run.has_left = True

    def sweep(self, now: float) -> None:
        """Forget runs that were not heard of for long."""
        for key, run in list(self._runs.items()):
            if now - run.known_at > FORGOTTEN_SECONDS:
                del self._runs[key]

    def _heard(self, now: float, within: float) -> list[tuple[str, float, bool]]:
        """(node, seconds ago, whether it has left), each node by the newest of its runs."""
        newest: dict[str, _Run] = {}
        for (node, _), run in self._runs.items():
            is_newer = node not in newest or run.heard_at > newest[node].heard_at
            if node != self._node and run.heard_at and now - run.heard_at <= within and is_newer:
                newest[node] = run
        return [(node, now - run.heard_at, run.has_left) for node, run in newest.items()]

    # --- inside -------------------------------------------------------------------------------------------------------

    def _run_of(self, message: Control) -> _Run:
        return self._runs.setdefault((message.node, message.run), _Run())

    def _heard_of(self, message: Control, now: float) -> _Run:
        run = self._run_of(message)
        run.heard_at = run.known_at = now
        return run

    def _hold(self, run: _Run, message: Control) -> None:
        if len(run.held) >= MOST_HELD:
            self.lost += 1
            run.held.pop(0)
        run.held.append(message)

    def _release(self, run: _Run) -> list[Control]:
        held, run.held = sorted(run.held, key=lambda one: one.number), []
        news = [one for one in held if one.number > run.number or (one.is_kept and one.kept > run.kept)]
        return self._hand_on(run, news)

    def _hand_on(self, run: _Run, messages: list[Control]) -> list[Control]:
        for message in messages:
            run.number = max(run.number, message.number)
            run.kept = max(run.kept, message.kept)
        return messages


def _follows(message: Control, run: _Run) -> bool:
    """Whether every kept message before this one was heard."""
    return message.kept - message.is_kept == run.kept
