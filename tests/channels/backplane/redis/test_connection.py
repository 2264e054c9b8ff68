"""One URL for each kind of deployment, and no secret in what is shown."""

import pytest

from channels.backplane.redis.connection import Dialer
from channels.backplane.redis.errors import NotSentError
from channels.backplane.redis.keys import Keys, name_of_batch
from channels.backplane.redis.options import RedisOptions
from tests.support.redis import RedisServer, free_port
from tests.support.sentinel import Pointer

LOGIN = "ann:s3cret@"


@pytest.mark.parametrize(
    ("url", "place", "is_cluster"),
    [
        (f"redis://{LOGIN}host:7000/2", "host:7000", False),
        (f"rediss://{LOGIN}host", "host:6379", False),
        ("unix:///run/redis.sock", "/run/redis.sock", False),
        (f"redis+sentinel://{LOGIN}one:26380,two/main", "sentinel one:26380,two:26379", False),
        (f"rediss+cluster://{LOGIN}one:7001,two:7002", "cluster one:7001,two:7002", True),
    ],
)
def test_a_url_says_where_to_connect_and_shows_no_password(url: str, place: str, is_cluster: bool) -> None:
    options = RedisOptions(url, "a")
    dialer = Dialer(options)
    assert (dialer.place, dialer.is_cluster) == (place, is_cluster)
    assert "s3cret" not in repr(dialer) + repr(options)


@pytest.mark.parametrize("url", ["http://host", "redis+other://host", "redis+sentinel://host:1"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected redis"):
        Dialer(RedisOptions(url, "a"))


async def test_a_place_where_nobody_listens_is_told_without_the_password() -> None:
    dialer = Dialer(RedisOptions(f"redis://{LOGIN}127.0.0.1:{free_port()}", "a"))
    with pytest.raises(NotSentError) as caught:
        await dialer.dial()
    assert "s3cret" not in str(caught.value)


async def test_the_master_is_asked_for_before_each_connection(server: RedisServer) -> None:
    with RedisServer() as other:
        async with Pointer(server) as pointer:
            dialer = Dialer(RedisOptions(pointer.url, "a"))
            ports = []
            for pointer.master in (server, other):
                connection = await dialer.dial()
                ports.append(connection.port)  # type: ignore[attr-defined]
                await connection.disconnect()
            pointer.master = None
            with pytest.raises(NotSentError, match="no Sentinel"):
                await dialer.dial()
    assert ports == [server.port, other.port]


async def test_a_password_is_used_and_a_wrong_one_is_refused() -> None:
    with RedisServer() as server:
        server.command("ACL", "SETUSER", "ann", "on", ">s3cret", "~ng:*", "&ng:*", "+@all")
        connection = await Dialer(RedisOptions(f"redis://ann:s3cret@127.0.0.1:{server.port}", "a")).dial(listens=True)
        await connection.send_command("ACL", "WHOAMI")
        assert await connection.read_response() == b"ann"
        await connection.disconnect()
        with pytest.raises(NotSentError):
            await Dialer(RedisOptions(f"redis://ann:wrong@127.0.0.1:{server.port}", "a")).dial()


@pytest.mark.clause("N1")
def test_keys_of_a_channel_share_a_slot_and_join_no_free_text() -> None:
    keys = Keys("ng")
    of_channel = [keys.meta("a"), keys.log("a"), keys.last("a"), keys.live("a"), keys.here("a")]
    assert of_channel == [f"ng:{{a}}:{name}" for name in ("meta", "log", "last", "live", "here")]
    assert keys.mid("a", "ann", "m:1") != keys.mid("a", "ann:m", "1")
    assert keys.mid("a", "x" * 1_000, "m").startswith("ng:{a}:mid:")
    assert len(keys.mid("a", "x" * 1_000, "m")) == len(keys.mid("a", "", ""))
    assert keys.batch("a", name_of_batch("free {text}")).startswith("ng:{a}:mid:b:c")
    assert len({keys.control, keys.kept, keys.nodes, keys.claim("s"), keys.members("n")}) == 5
