"""hub/options.py: settings as the native parts take them."""

import resource

import pytest

from channels import SignalSystem
from channels._native import Plane
from channels.buckets import Rate
from hub.config import Settings
from hub.options import plane_options, signal_options, within_open_files


def test_the_native_parts_take_what_is_set() -> None:
    settings = Settings(dev_file=None, byte_rate=Rate(5_000, 7), io_threads=2, signal_capacity=2_048)
    options = plane_options(settings)
    assert (options["byte_rate"], options["io_threads"]) == ((5_000, 7), 2)
    assert Plane(**options).stats()["connections"] == 0
    assert signal_options(settings)["capacity"] == 2_048
    SignalSystem(**signal_options(settings)).close()


@pytest.mark.clause("L1")
@pytest.mark.parametrize(("files", "expected"), [(100_000, 20_000), (10_512, 10_000), (100, 1)])
def test_no_more_connections_than_files_may_be_open(monkeypatch: pytest.MonkeyPatch, files: int, expected: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (files, files))
    assert within_open_files(Settings(dev_file=None)).max_connections == expected
