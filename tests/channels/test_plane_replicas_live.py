"""Logs that follow a store while I/O threads write: what each peer sees has no hole that no gap has told."""

import random
from typing import Any

import pytest

from channels._native import encode_entries
from tests.support.plane_peer import Running, entry

CHUNK = 64
"""Bytes of the data of an entry."""


class Store:
    """Gives places, loses stretches, begins other histories; the log of a node follows it."""

    def __init__(self, running: Running, log: int, chance: random.Random) -> None:
        self.running, self.log, self.chance = running, log, chance
        self.epochs, self.head = ["epoch0"], 0
        self.newest: dict[str, tuple[int, bytes]] = {}
        running.plane.begin_log(log, "epoch0", 0)

    def made(self, count: int) -> list[bytes]:
        """Entries with the next places."""
        packed = []
        for _ in range(count):
            self.head += 1
            key = self.chance.choice("abcd")
            data = f'"{self.epochs[-1]}:{self.head}{"x" * CHUNK}"'.encode()
            packed += encode_entries([entry(data, key=key)], 1.0)
            self.newest[key] = (self.head, packed[-1])
        return packed

    def step(self) -> None:
        """Something happens."""
        plane, what = self.running.plane, self.chance.random()
        if what < 0.8:
            first = self.head + 1
            plane.apply_entries(self.log, self.epochs[-1], first, b"".join(self.made(self.chance.randrange(1, 300))))
        else:
            if what < 0.9:
                self.epochs.append(f"epoch{len(self.epochs)}")
                self.head, self.newest = 0, {}
            self.made(self.chance.randrange(1, 50))
            plane.begin_log(self.log, self.epochs[-1], self.head)
            plane.restore_newest(self.log, sorted(self.newest.values()))
        if self.chance.random() < 0.5:
            plane.flush()


def read(peer: Any, epoch: str, at: int, end: tuple[str, int], *, latest: bool) -> dict[str, int]:
    """All messages of a stream up to `end`, checked; the last offset of each key in the last epoch."""
    seen: dict[str, int] = {}
    while (epoch, at) != end:
        message = peer.message()
        if message["type"] == "gap":
            start, to = (message[name].split(":") for name in ("from", "to"))
            assert start[0] == epoch
            assert int(start[1]) == at or (latest and int(start[1]) > at)
            if to[0] != epoch:
                seen = {}
            epoch, at = to[0], int(to[1])
            continue
        if message["type"] == "ack":
            told, _, position = message["positions"]["status"].partition(":")
            assert (told, latest) == (epoch, True)
            at = int(position)
            continue
        offset = message["offset"]
        assert message["data"].startswith(f"{epoch}:{offset}x")
        assert offset == at + 1 or (latest and offset > at)
        at = offset
        seen[message["key"]] = offset
    return seen


@pytest.mark.clause("N7", "N8", "N13", "P12")
@pytest.mark.parametrize("seed", range(4))
def test_every_peer_follows_a_store_through_holes_and_other_histories(seed: int) -> None:
    chance = random.Random(seed)
    with Running(io_threads=3) as running:
        log = running.open_log("status", last_per_key=True, max_entries=2_000)
        store = Store(running, log, chance)
        peers = []
        for number in range(6):
            conn, peer = running.connect()
            delivery = ("all", "latest")[number % 2]
            running.subscribe(conn, log, delivery=delivery)
            peers.append((peer, delivery == "latest"))
        for peer, _ in peers:
            assert peer.subscribed() == ("epoch0:0", 0)
        for _ in range(60):
            store.step()
        running.plane.apply_entries(log, store.epochs[-1], store.head + 1, b"".join(store.made(1)))
        running.plane.flush()
        for peer, latest in peers:
            seen = read(peer, "epoch0", 0, (store.epochs[-1], store.head), latest=latest)
            if latest:
                assert seen == {key: offset for key, (offset, _) in store.newest.items()}
