"""The few words of Redis's protocol."""

import asyncio
import socket

import pytest
from ng_ws.verify.resp import RedisError, ask, packed, read


async def reading(data: bytes) -> object:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read(reader)


def test_a_command_is_sent_as_its_words_with_their_lengths() -> None:
    assert packed("SET", "é", 5, b"\x00") == b"*4\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$1\r\n5\r\n$1\r\n\x00\r\n"


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"+OK\r\n", b"OK"),
        (b":-3\r\n", -3),
        (b"$3\r\na\r\n\r\n", b"a\r\n"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*3\r\n:1\r\n$1\r\nb\r\n*1\r\n+c\r\n", [1, b"b", [b"c"]]),
    ],
)
async def test_a_reply_is_read_whatever_it_is(data: bytes, reply: object) -> None:
    assert await reading(data) == reply


@pytest.mark.parametrize(("data", "told"), [(b"-ERR no\r\n", "ERR no"), (b"?\r\n", "expected a reply, got b'?'")])
async def test_an_error_is_raised_in_its_own_words(data: bytes, told: str) -> None:
    with pytest.raises(RedisError, match=told):
        await reading(data)


async def test_nobody_there_and_nobody_who_answers_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        await ask(silent.getsockname()[1], "PING", wait=0.2)
    with pytest.raises(ConnectionRefusedError):
        await ask(9, "PING")


async def test_one_that_hangs_up_is_told_as_such() -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    async with await asyncio.start_server(leave, "127.0.0.1", 0) as server:
        with pytest.raises(ConnectionError, match="redis closed the connection"):
            await ask(server.sockets[0].getsockname()[1], "PING")
