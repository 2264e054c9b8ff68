"""Callbacks of who listens to a SignalSystem inside the process: they run on the loop, from the drain.

What each of them has yet to hear waits in the native core, bounded and counted; here it is only called.
"""

import logging
from asyncio import CancelledError
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from channels._native import SignalSystem

AT_ONCE: Final = 1_024
"""Events of one subscriber for which it is called before the loop has its turn."""

logger = logging.getLogger(__name__)


def call_subscribers(system: "SignalSystem") -> bool:
    """Call each subscriber of `system` for what it has heard. -> whether there may be more

    One that raises is logged and counted (`failed` of `list_subscribers`); the others, and its own other events, go on.
    """
    has_more = False
    for subscriber, name, callback, events in system.take_heard(AT_ONCE):
        failed = 0
        for event in events:
            try:
                callback(event)
            except (Exception, CancelledError):
                failed += 1
                logger.exception("subscriber %d (%s) of the SignalSystem raised", subscriber, name)
        if failed:
            system.note_callback_errors(subscriber, failed)
        has_more |= len(events) == AT_ONCE
    return has_more
