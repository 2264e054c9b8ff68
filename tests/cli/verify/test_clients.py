"""Which node a client goes to."""

from collections import Counter
from random import Random

from ng_ws.verify.clients import Maker, Rover

URLS = ("ws://127.0.0.1:1/ws", "ws://127.0.0.1:2/ws", "ws://127.0.0.1:3/ws")


def maker(*urls: str) -> Maker:
    return Maker(urls, None, lambda _: lambda _: None)


def test_a_client_is_at_home_first_and_comes_back_anywhere() -> None:
    rover = Rover(URLS, 4, Random(1))
    assert rover() == URLS[1]
    assert set(Counter(rover() for _ in range(50))) == set(URLS)


async def test_clients_are_spread_over_the_nodes_in_turn() -> None:
    one = maker(*URLS)
    ways = []
    for number in range(6):
        client = one.client(f"s{number}")
        ways.append(client._address.ask())
    assert ways == [*URLS, *URLS]


async def test_where_there_is_one_hub_everybody_goes_there() -> None:
    client = maker(URLS[0]).client("s1")
    assert client.url == URLS[0]
