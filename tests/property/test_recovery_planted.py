"""The state machine of `test_recovery.py` would notice: each planted bug is found, in the hub as in the client.

Those of `planted.BUGS` are what `ng-ws verify` is held to (`tests/support/planted.py`). Most of them also tell the
client a wrong start; the quiet ones tell the right one and deliver something else.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import Phase
from neurograph_ws_client.effects import Effect
from neurograph_ws_client.follows import Follow, Follows
from neurograph_ws_client.positions import Position
from neurograph_ws_client.requests import Requests
from neurograph_ws_client.restoring import Restoring
from neurograph_ws_client.session import Session as ClientSession
from neurograph_ws_client.stream import Stream

from channels.backplane.memory import MemoryBackplane
from channels.broker import Broker
from hub.session.session import Session
from tests.property.test_recovery import run_machine
from tests.support import planted
from tests.support.fake_log import FakeCursor, FakeLog, Opening
from tests.support.pair.hub import HubEnd

EXAMPLES = 3_000  # at most: a run ends at the first that finds it

Plant = Callable[[pytest.MonkeyPatch], None]


def on_resume(bug: str) -> Plant:
    """One of the bugs of `ng-ws verify`."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        for name in ("subscribe", "sweep"):
            patch.setattr(Broker, name, getattr(Broker, name))  # what is planted over it is taken out again
        planted.plant_on_resume(bug)

    return plant


def offset_reused(patch: pytest.MonkeyPatch) -> None:
    """A restart does not find what was promised to be on disk, and the sealed proof of it is not looked at (N4)."""
    patch.setattr(HubEnd, "lost_tail", 2)
    patch.setattr(MemoryBackplane, "follow", lambda *_, **__: True)


def quiet(change: Callable[[Opening], None]) -> Plant:
    """The plane tells the right start and goes on from another."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        opening = FakeLog.opening

        def planted_opening(self: FakeLog, start: Any) -> Opening:
            found = opening(self, start)
            if start[0] == "at":
                change(found)
            return found

        patch.setattr(FakeLog, "opening", planted_opening)

    return plant


def passed_over(opening: Opening) -> None:
    opening.after = min(opening.after + 1, opening.log.head)


def brought_again(opening: Opening) -> None:
    opening.after = max(opening.after - 1, 0)


def unsaid(opening: Opening) -> None:
    opening.reason = None


def invented(opening: Opening) -> None:
    """Nothing is too old and nothing too much, and it is told as such."""
    if opening.reason is None and opening.after < opening.log.head:
        opening.after, opening.reason = opening.log.head, "limit"


def window_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FakeCursor, "room", property(lambda self: None if self.window is None else self.window + 1))


def owner_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "taken_over", lambda _self: [])


def mid_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("channels.dedup.MidWindow.find", lambda *_: None)


def repeat_not_dropped(patch: pytest.MonkeyPatch) -> None:
    event = Stream.event

    def planted_event(self: Stream, line: Any, message: Any, now: float, wire: Any) -> Sequence[Effect]:
        reading = line.readings.get(message["channel"])
        if reading is not None and reading.follow.offset == message["offset"]:
            reading.follow.offset -= 1
        return event(self, line, message, now, wire)

    patch.setattr(Stream, "event", planted_event)


def gap_not_told(patch: pytest.MonkeyPatch) -> None:
    gap = Stream.gap
    patch.setattr(Stream, "gap", lambda self, line, message: gap(self, line, message)[1:])


def sent_again_without_mid(patch: pytest.MonkeyPatch) -> None:
    submit = Requests.submit

    def planted_submit(self: Requests, request: Any, now: float) -> Any:
        request.is_repeatable = request.name == "publish"
        return submit(self, request, now)

    patch.setattr(Requests, "submit", planted_submit)


def cursor_by_name(patch: pytest.MonkeyPatch) -> None:
    handled = ClientSession.handled

    def planted_handled(self: ClientSession, follow: Follow, place: Position, now: float) -> list[Effect]:
        return handled(self, self.follows.get(follow.channel, follow), place, now)

    patch.setattr(ClientSession, "handled", planted_handled)


def former_resumed(patch: pytest.MonkeyPatch) -> None:
    """What a resume says of a subscription is taken for the one that has begun meanwhile."""
    restored = Restoring._restored

    def planted_restored(self: Restoring, channel: str, told: Any) -> Follow | None:
        follow = self._follows.get(channel)
        if follow is not None and follow.place is not None:
            follow.is_known = True
        return restored(self, channel, told)

    patch.setattr(Restoring, "_restored", planted_restored)


def former_updated(patch: pytest.MonkeyPatch) -> None:
    """The answer to an update of a former subscription is acted on."""
    patch.setattr(Follows, "is_wanted", lambda *_: True)


BUGS: dict[str, Plant] = {
    **{bug: on_resume(bug) for bug in planted.ON_RESUME},
    planted.OFFSET_REUSED: offset_reused,
    "quietly off by one": quiet(passed_over),
    "quiet duplicate": quiet(brought_again),
    "gap unsaid": quiet(unsaid),
    planted.GAP_INVENTED: quiet(invented),
    "window ignored": window_ignored,
    "former owner kept": owner_kept,
    "mid forgotten": mid_forgotten,
    "client: repeat not dropped": repeat_not_dropped,
    "client: gap not told": gap_not_told,
    "client: cursor by name": cursor_by_name,
    "client: former subscription resumed": former_resumed,
    "client: former subscription updated": former_updated,
    "client: sent again without mid": sent_again_without_mid,
}


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.timeout(0)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[bug](monkeypatch)
    # An end that acts on what is gone may also fall over it.
    with pytest.raises((AssertionError, KeyError)):
        run_machine(EXAMPLES, phases=(Phase.generate,), derandomize=True, database=None, report_multiple_bugs=False)
