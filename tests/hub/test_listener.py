"""hub/listener.py: the port that is really open."""

import socket
from collections.abc import Iterator

import pytest

from hub.listener import PortError, listen, port_of


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def test_port_zero_is_a_free_one_and_listens_at_once() -> None:
    listener = listen("127.0.0.1", 0, may_step=False)
    with listener, socket.create_connection(("127.0.0.1", port_of(listener)), 5):
        assert port_of(listener) > 0


@pytest.mark.accept("K11")
def test_a_taken_port_is_stepped_over_in_development(taken: int) -> None:
    with listen("127.0.0.1", taken, may_step=True) as listener:
        assert port_of(listener) > taken


def test_a_taken_port_is_refused_in_production(taken: int) -> None:
    with pytest.raises(PortError, match=f"expected a free port, came {taken}"):
        listen("127.0.0.1", taken, may_step=False)


def test_an_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(PortError, match=r"cannot listen on 192\.0\.2\.1:0"):
        listen("192.0.2.1", 0, may_step=True)


@pytest.mark.parametrize("host", ["::1", "[::1]", "localhost"])
def test_names_and_ipv6_addresses_are_taken(host: str) -> None:
    with listen(host, 0, may_step=False) as listener:
        assert port_of(listener) > 0
