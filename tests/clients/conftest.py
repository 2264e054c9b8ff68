"""A test of the client that waits in vain is told in units of patience; one that computes may take its minute."""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from neurograph_ws_client.testing import FakeHub
from neurograph_ws_client.worker import Worker

from tests.clients.support import Hub

HANGS_AFTER = 6 * float(os.environ.get("NG_TEST_PATIENCE", "5"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_waiting = isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)
        if is_waiting and item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(HANGS_AFTER))


@pytest.fixture
def hub() -> Iterator[Hub]:
    worker, fake = Worker("fake hub"), FakeHub()
    worker.wait(fake.start())
    yield Hub(worker, fake)
    worker.wait(fake.stop())
    worker.stop()
