"""What the broker asks of the native plane. `channels._native.Plane` obeys it, and so do the tests' doubles."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from channels._native import Delivery, Filter, OnSlow, PublishBatch, Sieve, SignalBatch, Start
    from channels.publication import Entry


class LogPlane(Protocol):
    """Logs and cursors; every call only queues or takes a short lock. The shapes are those of `_native.pyi`."""

    def open_log(  # noqa: D102 - described in _native.pyi, here and below
        self, channel: str, *, seconds: float, max_bytes: int, last_per_key: bool = False, durable: bool = False
    ) -> int: ...

    def close_log(self, log: int) -> None: ...  # noqa: D102

    def close_log_if_empty(self, log: int) -> bool: ...  # noqa: D102

    def append(  # noqa: D102
        self, log: int, entries: "Sequence[Entry]", ts: float, marks: Sequence[bytes | None] | None = None
    ) -> tuple[str, int]: ...

    def recovered_marks(self, log: int) -> list[tuple[int, float, bytes]]: ...  # noqa: D102

    def recovery_notes(  # noqa: D102
        self, log: int
    ) -> "list[tuple[Literal['torn', 'power_loss', 'damage', 'apart'], str]]": ...

    def durable_channels(self) -> list[str]: ...  # noqa: D102

    def leave_durable_log(self, channel: str) -> None: ...  # noqa: D102

    def append_signals(self, log: int, batch: "SignalBatch", ts: float) -> tuple[str, int]: ...  # noqa: D102

    def append_publishes(self, log: int, batch: "PublishBatch", ts: float) -> tuple[str, int]: ...  # noqa: D102

    def subscribe(  # noqa: D102
        self,
        conn: int,
        specs: "Sequence[tuple[int, Delivery, OnSlow, float | None, Start, bool, int | None, Sieve | None]]",
        reply: Sequence[bytes] | None,
    ) -> None: ...

    def sift(  # noqa: D102
        self, log: int, wanted: "Filter | None", policy: "Filter | None" = None, *, must: bool = False
    ) -> "Sieve | None": ...

    def unsubscribe(self, conn: int, logs: Sequence[int], reply: bytes | None = None) -> None: ...  # noqa: D102

    def ack(self, conn: int, positions: Sequence[tuple[int, str, int]]) -> None: ...  # noqa: D102

    def positions(self, conn: int) -> None: ...  # noqa: D102

    def watermark(self, conn: int, logs: Sequence[int]) -> None: ...  # noqa: D102

    def rotate_log(self, log: int) -> str: ...  # noqa: D102

    def begin_log(self, log: int, epoch: str, offset: int) -> None: ...  # noqa: D102

    def apply_entries(self, log: int, epoch: str, first: int, entries: bytes) -> int: ...  # noqa: D102

    def restore_newest(self, log: int, newest: Sequence[tuple[int, bytes]]) -> None: ...  # noqa: D102

    def log_info(self, log: int) -> dict[str, object]: ...  # noqa: D102

    def read_log(  # noqa: D102
        self, log: int, after: int, limit: int = 100, policy: "Filter | None" = None
    ) -> list[bytes]: ...

    def read_newest(self, log: int, after: int = 0, limit: int = 100) -> list[bytes]: ...  # noqa: D102

    def sweep(self, now: float) -> None: ...  # noqa: D102

    def flush(self) -> None: ...  # noqa: D102
