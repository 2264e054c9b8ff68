"""What the integration suites share: both ways by which a WebSocket reaches the plane."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.hub import RunningHub, Transport


@pytest.fixture(params=["handover", "relay"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """Every test that asks for it runs twice: the socket is handed over, or relayed."""
    chosen: Transport = request.param
    return chosen


@pytest.fixture
def start(transport: Transport) -> Iterator[Callable[..., RunningHub]]:
    """Starts hubs with any settings; they end with the test."""
    with ExitStack() as hubs:

        def start_hub(**settings: Any) -> RunningHub:
            return hubs.enter_context(RunningHub(transport=transport, **settings))

        yield start_hub


@pytest.fixture
def ws_hub(start: Callable[..., RunningHub]) -> RunningHub:
    """A hub with the default settings."""
    return start()
