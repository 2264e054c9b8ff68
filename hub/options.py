"""The settings as the native parts and the operating system take them."""

import resource
from typing import Any

from hub.config import Settings


def plane_options(settings: Settings) -> dict[str, Any]:
    """The settings of the native plane under its own names."""
    names = (
        "io_threads",
        "flush_ms",
        "ring_from",
        "max_message",
        "max_empty_fragments",
        "message_timeout",
        "heartbeat_interval",
        "heartbeat_timeout",
        "write_stall",
        "close_wait",
        "answer_buffer",
        "inbox_messages",
        "inbox_bytes",
        "turn_read",
        "turn_write",
        "log_memory",
        "view_memory",
        "max_filters",
        "max_channel_filters",
        "filter_memory",
        "resume_events",
        "data_dir",
        "fsync",
        "fsync_interval",
        "log_segment",
        "log_queue",
        "log_queue_bytes",
        "recorder_bytes",
        "recorder_ended",
        "recorder_seconds",
    )
    rates = ("message_rate", "control_rate", "byte_rate")
    return {
        **{name: getattr(settings, name) for name in names},
        **{name: (getattr(settings, name).capacity, getattr(settings, name).refill) for name in rates},
    }


def signal_options(settings: Settings) -> dict[str, Any]:
    """The settings of the SignalSystem under its own names."""
    return {
        "capacity": settings.signal_capacity,
        "index_window": settings.signal_window,
        "neighbor_radius": settings.signal_radius,
        "novelty_radius": settings.signal_novelty_radius,
        "neighbors": settings.signal_neighbors,
        "threads": settings.signal_threads,
        "auto_connect": settings.signal_auto_connect,
        "max_subscribers": settings.signal_subscribers,
        "publish": settings.signal_publish,
        "token_events": settings.signal_token_events,
        "novelty_events": settings.signal_novelty_events,
        "node": settings.node,
    }


def within_open_files(settings: Settings) -> Settings:
    """L1: never more connections than the process may have files open, less the reserve."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - settings.file_reserve
    if most >= settings.max_connections:
        return settings
    return settings.model_copy(update={"max_connections": max(most, 1)})
