"""What may become of a command, by what it leaves behind in Redis.

StoreError
├── NotSentError       it never left this node: nothing was done
├── RefusedError       Redis said no before it did anything; `is_fault` if it would say so to any command now
├── FailedError        Redis said no, perhaps half-way
└── UnansweredError    it was sent, and the connection ended before the answer: it may or may not have been done
"""

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)


class StoreError(Exception):
    """A command has no answer that could be used."""


class NotSentError(StoreError):
    """Nothing was done."""


class RefusedError(StoreError):
    """Nothing was done. `is_fault`: the server is in no state to serve; `is_misplaced`: another server would."""

    def __init__(self, text: str, *, is_fault: bool = False, is_misplaced: bool = False) -> None:
        super().__init__(text)
        self.is_fault = is_fault
        self.is_misplaced = is_misplaced


class FailedError(StoreError):
    """Something may have been done."""


class UnansweredError(StoreError):
    """Everything or nothing was done."""


class MissingScriptError(RefusedError):
    """The server does not know the script (any more)."""


class MovedError(RefusedError):
    """Another node of the cluster has the slot. `is_for_once`: while the slot is on its way there (ASK)."""

    def __init__(self, address: tuple[str, int], *, is_for_once: bool) -> None:
        super().__init__(f"the slot is at {address[0]}:{address[1]}")
        self.address = address
        self.is_for_once = is_for_once


_FAULTS = (AuthenticationError, BusyLoadingError, ClusterDownError, NoPermissionError, OutOfMemoryError)
_MISPLACED = (ReadOnlyError, MasterDownError)
_FAULT_WORDS = ("NOREPLICAS", "MISCONF", "BUSY", "LOADING", "NOAUTH", "WRONGPASS")


def refusal(error: RedisError) -> StoreError:
    """What the error reply of a server means."""
    text = str(error)
    if isinstance(error, NoScriptError):
        return MissingScriptError(text)
    if hasattr(error, "node_addr"):  # MOVED and ASK, which redis-py keeps in one line of descent
        host, port = error.node_addr
        return MovedError((host, port), is_for_once=type(error).__name__ == "AskError")
    if isinstance(error, _MISPLACED):
        return RefusedError(f"the server is no master: {text}", is_fault=True, is_misplaced=True)
    if isinstance(error, _FAULTS) or text.startswith(_FAULT_WORDS):
        return RefusedError(text, is_fault=True)
    if isinstance(error, TryAgainError):
        return RefusedError(f"the slot is on its way to another server: {text}")
    return FailedError(text)
