"""Batches of inbound publishes before cursors with filters: judged like entries that came one by one."""

import pytest

from tests.support.plane_peer import Running
from tests.support.publishes import batch_of, text


@pytest.mark.clause("F2", "F3", "M30")
def test_a_batch_is_judged_like_its_publishes_alone() -> None:
    texts = [
        text(data={"cpu": cpu}, key=key, tags={"host": host})
        for cpu, key, host in (
            (90, "a", "db1"),
            (10, "a", "db1"),
            (95, "b", "db1"),
            (99, "a", "web"),
            (80, "a", "db1"),
        )
    ]
    asked = '{"key":"a","tags.host":"db1","data.cpu":{"gte":80}}'
    with Running() as running:
        log = running.open_log("actions")
        conn, peer = running.connect()
        running.subscribe(conn, log, filter=asked)
        peer.subscribed()
        running.plane.append_publishes(log, batch_of(*texts), 2.0)
        running.plane.flush()
        assert peer.offsets(2) == [1, 5]
        for one in texts:
            running.plane.append_publishes(log, batch_of(one), 3.0)
        running.plane.flush()
        assert peer.offsets(2) == [6, 10]
        again, late = running.connect()
        running.subscribe(again, log, ("last", 3), filter=asked)
        late.subscribed()
        assert late.offsets(3) == [5, 6, 10]
        assert running.plane.stats()["filters_judged"] == 10
