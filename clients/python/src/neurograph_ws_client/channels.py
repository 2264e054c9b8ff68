"""The hub's own channels by name; any other configured channel is a plain string."""

from enum import StrEnum


class Channel(StrEnum):
    """The six channels every hub has (C20)."""

    METRICS = "metrics"
    SIGNALS = "signals"
    ACTIONS = "actions"
    LOGS = "logs"
    STATUS = "status"
    CONNECTIONS = "connections"
