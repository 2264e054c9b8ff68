"""Payloads that are no plain JSON, looked into once before they are stored (B8, L9).

What may take longer than about a millisecond is done by a thread and does not hold up the loop; its connection waits
with what it sent after it (C14), the others do not.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from channels._native import check_payload, is_much
from hub.protocol.errors import Refusal

if TYPE_CHECKING:
    from channels.publication import Content
    from hub.counters import Counters
    from hub.session.policy import Policy

AT_ONCE: Final = 131_072
"""Bytes, encoded or decoded, that are looked into on the loop: some hundreds of microseconds."""
THREADS: Final = 2
Found = tuple[str, str, int | None]
"""Name of the error, what was expected and what came, the limit passed."""


class Contents:
    """Looks into payloads. Every method belongs to the thread of the event loop."""

    def __init__(self, counters: "Counters") -> None:
        self._counters = counters
        self._threads: ThreadPoolExecutor | None = None

    def stop(self) -> None:
        """What still waits is not looked into any more."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def is_much(self, data: bytes, content: "Content") -> bool:
        """Whether `fault_later` should be asked."""
        return is_much(data, content.media_type, content.encoding, AT_ONCE)

    def fault(self, data: bytes, content: "Content", policy: "Policy") -> Refusal | None:
        """Why a payload cannot be stored, if there is a reason."""
        return self._refusal(content, _found(data, content, policy))

    def fault_later(
        self, data: bytes, content: "Content", policy: "Policy", done: Callable[[Refusal | None], None]
    ) -> None:
        """The same by a thread; `done` hears it on the loop, unless the hub stops before."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="payloads")
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._threads, _found, data, content, policy)
        asked.add_done_callback(
            lambda answer: None if answer.cancelled() else done(self._refusal(content, answer.result()))
        )

    def _refusal(self, content: "Content", found: Found | None) -> Refusal | None:
        self._counters.add("payloads", content.encoding or "none", "ok" if found is None else found[0])
        if found is None:
            return None
        error, text, limit = found
        return Refusal(error, f"data: {text}", path="data", limit=limit)


def _found(data: bytes, content: "Content", policy: "Policy") -> Found | None:
    return check_payload(
        data, content.media_type, content.encoding, max_decoded=policy.max_decoded, max_ratio=policy.max_ratio
    )
