"""A test of the program that hangs is told in units of patience, not after the minute of the whole suite."""

import os
from pathlib import Path

import pytest

HANGS_AFTER = 6 * float(os.environ.get("NG_TEST_PATIENCE", "5"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(HANGS_AFTER))
