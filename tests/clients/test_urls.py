"""Addresses of hubs."""

import pytest
from neurograph_ws_client.urls import checked, is_loopback, masked


@pytest.mark.parametrize("url", ["http://localhost:8000/ws", "localhost:8000", "", "ws://", "ws://host:99999/ws", None])
def test_what_is_no_websocket_url_is_refused_with_what_was_expected(url: str) -> None:
    with pytest.raises(ValueError, match="url: expected one like ws://localhost:8000/ws"):
        checked(url)


def test_secrets_in_a_url_are_not_shown() -> None:
    url = "wss://ann:pass@hub.example/ws?token=abc.def&x=1&reconnection_token=zzz"
    assert masked(url) == "wss://***@hub.example/ws?token=***&x=1&reconnection_token=***"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "hub.localhost"])
def test_this_machine_is_recognised(host: str) -> None:
    assert is_loopback(f"ws://{host}:8000/ws")


@pytest.mark.parametrize("host", ["hub.example", "10.0.0.1", "localhost.example"])
def test_other_machines_are_not_this_one(host: str) -> None:
    assert not is_loopback(f"ws://{host}:8000/ws")
