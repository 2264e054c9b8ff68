"""What a node follows, without a store behind it."""

import asyncio

import pytest

from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.following import Following
from channels.errors import BrokerError, LogUnavailable
from tests.support.replicas import Logs


@pytest.mark.clause("N11", "N18")
async def test_who_waits_in_vain_is_answered_and_kept_no_longer() -> None:
    """As where Redis refuses the subscription of a channel: it is never read."""
    following = Following(Logs("a"), RedisFigures(), bus_message=1_024, patience=0.0)
    answers: list[asyncio.Future[BrokerError | None]] = []
    for _ in range(3):
        answers.append(asyncio.get_running_loop().create_future())
        assert not following.follow("room:x", None, answers[-1].set_result)
    replica = following.get("room:x")
    assert replica is not None
    assert following.has_waiters(replica)
    assert [type(answer) for answer in await asyncio.gather(*answers)] == [LogUnavailable] * 3
    assert not following.has_waiters(replica)
