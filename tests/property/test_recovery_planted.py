"""The state machine of `test_recovery.py` would notice: each planted bug is found, in the hub as in the client.

Those of `planted.BUGS` are what `ng-ws verify` is held to (`tests/support/planted.py`). Most of them also tell the
client a wrong start; the quiet ones tell the right one and deliver something else.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase
from neurograph_ws_client.asking import Asking
from neurograph_ws_client.effects import Effect
from neurograph_ws_client.follows import Follow, Follows
from neurograph_ws_client.journal import Journal
from neurograph_ws_client.places import Places
from neurograph_ws_client.requests import Requests
from neurograph_ws_client.restoring import Restoring
from neurograph_ws_client.stream import Stream
from neurograph_ws_client.subscription import Subscription
from neurograph_ws_client.subscriptions import Subscriptions

from channels.backplane.memory import MemoryBackplane
from channels.broker import Broker
from hub.session.session import Session
from tests.property.test_recovery import run_machine
from tests.support import planted
from tests.support.fake_log import FakeCursor, FakeLog, Opening
from tests.support.pair.client import FELL_OVER
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

        def planted_opening(self: FakeLog, start: Any, **more: Any) -> Opening:
            found = opening(self, start, **more)
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
    """What a former subscription handled moves the cursor of the present one."""
    patch.setattr(Subscriptions, "is_current", lambda self, subscription: subscription.channel in self)


def places_dropped(patch: pytest.MonkeyPatch) -> None:
    """A channel that is followed no more has no place."""
    patch.setattr(Places, "ended", lambda *_: None)


def places_not_presented(patch: pytest.MonkeyPatch) -> None:
    """A token of a former process is presented without what was kept of it."""
    positions = Follows.positions
    patch.setattr(Follows, "positions", lambda self, **_: positions(self))


def revived_idle(patch: pytest.MonkeyPatch) -> None:
    """A subscription that begins again leaves what had come before."""
    patch.setattr(Subscription, "_go_on", lambda _: None)


def journal_felt(patch: pytest.MonkeyPatch) -> None:
    """What a journal raises reaches whoever wrote to it."""

    def write(self: Journal, line: Any) -> None:
        if self._take is not None:
            self._take(line)

    patch.setattr(Journal, "_write", write)


def cancelled_for_good(patch: pytest.MonkeyPatch) -> None:
    """What is cancelled inside a handler ends the task that handles."""

    async def wait(self: Subscription[Any], waiting: Any) -> None:
        await waiting

    patch.setattr(Subscription, "_await", wait)


def former_resumed(patch: pytest.MonkeyPatch) -> None:
    """What a resume says of a subscription is taken for the one that has begun meanwhile."""
    restored = Restoring._restored

    def planted_restored(self: Restoring, channel: str, told: Any) -> Follow | None:
        follow = self._follows.get(channel)
        if follow is not None and follow.place is not None:
            follow.is_known = True
        return restored(self, channel, told)

    patch.setattr(Restoring, "_restored", planted_restored)


def options_told_once(patch: pytest.MonkeyPatch) -> None:
    """A hub that cannot take options now is taken to know them."""

    def not_renewed(_: Asking, follow: Follow, *more: Any) -> list[Effect]:
        follow.is_stale = False
        return []

    patch.setattr(Asking, "_not_renewed", not_renewed)


def former_updated(patch: pytest.MonkeyPatch) -> None:
    """The answer to an update of a former subscription is acted on."""
    patch.setattr(Follows, "is_wanted", lambda *_: True)


class Bug(NamedTuple):
    """How it is planted, and the rules of which one has to be told as broken first: any other is beside the point."""

    plant: Plant
    rules: tuple[str, ...]


BUGS: dict[str, Bug] = {
    **{bug: Bug(on_resume(bug), ("R8",)) for bug in planted.ON_RESUME},
    planted.OFFSET_REUSED: Bug(offset_reused, ("I1", "M24", "V1", "M48")),
    "quietly off by one": Bug(quiet(passed_over), ("P3",)),
    "quiet duplicate": Bug(quiet(brought_again), ("P3", "M48")),
    "gap unsaid": Bug(quiet(unsaid), ("P3", "R8")),
    planted.GAP_INVENTED: Bug(quiet(invented), ("R9", "M49")),
    "window ignored": Bug(window_ignored, ("S10",)),
    "former owner kept": Bug(owner_kept, ("R11",)),
    "mid forgotten": Bug(mid_forgotten, ("M31",)),
    "client: repeat not dropped": Bug(repeat_not_dropped, ("V3",)),
    "client: gap not told": Bug(gap_not_told, ("V5",)),
    "client: cursor by name": Bug(cursor_by_name, ("V3", "V5", "V7", "V11")),
    "client: former subscription resumed": Bug(former_resumed, ("V5", "M49")),
    "client: former subscription updated": Bug(former_updated, ("V5", FELL_OVER)),
    "client: options told once": Bug(options_told_once, ("M26",)),
    "client: sent again without mid": Bug(sent_again_without_mid, ("M31",)),
    "client: places dropped": Bug(places_dropped, ("P5",)),
    "client: places not presented": Bug(places_not_presented, ("V5", "V9", "M49")),
    "client: idle once revived": Bug(revived_idle, ("V7",)),
    "client: journal felt": Bug(journal_felt, (FELL_OVER,)),
    "client: cancelled for good": Bug(cancelled_for_good, ("V5", "V7")),
}


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.timeout(0)
def test_a_planted_bug_is_found_by_the_rule_it_breaks(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[bug].plant(monkeypatch)
    with pytest.raises(AssertionError) as fault:
        run_machine(EXAMPLES, phases=(Phase.generate,), derandomize=True, database=None, report_multiple_bugs=False)
    told = str(fault.value).partition(":")[0].split(", ")
    assert set(told) & set(BUGS[bug].rules), str(fault.value)
