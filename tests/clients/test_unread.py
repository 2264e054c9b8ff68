"""What comes and cannot be read: who waits for it is told at once, for an event stands a gap, the stream goes on."""

import asyncio
import gzip
import json
from time import process_time

import msgpack  # type: ignore[import-untyped]
import pytest
from neurograph_ws_client import Gap, ProtocolViolation
from neurograph_ws_client.codec import JsonCodec, MsgpackCodec
from neurograph_ws_client.glimpse import Elements, Unread, elements_of, telling_of
from neurograph_ws_client.media import join
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, Seen, client_of

DEEP = b"[" * 2000 + b"]" * 2000
ODD = [b"NaN", b'"\\ud800', b'"\xff"', b"1e999x", DEEP[:-1], b"{'a':1}"]


def event(offset: int, data: bytes) -> bytes:
    head = b'{"type":"event","channel":"logs","event":"e","ts":1.5,"tags":{"type":"x","offset":"9"},"data":'
    return head + data + b',"offset":%d}' % offset


@pytest.mark.parametrize("odd", [b"NaN", b"nonsense", b"[1,}", DEEP, b'"\xff"', b'{"id":3,"a":"\\"}"}x'])
def test_the_telling_members_are_found_around_anything(odd: bytes) -> None:
    text = b'{"type":"ack","data":' + odd + b', "id" : "a\\"b" }'
    assert telling_of(text) == {"type": "ack", "id": 'a"b'}


@pytest.mark.parametrize("text", [b"", b"nonsense", b'"type"', b'{"type"', b'{"type":', b"[1]", b'{"id":{"id":1}}'])
def test_nothing_is_found_where_nothing_is_told(text: bytes) -> None:
    assert telling_of(text) == {}


@pytest.mark.parametrize("opening", [b'{"type":"event","data":"', b'[{"data":"', b'{"type":"event","data":"\\'])
def test_a_string_that_does_not_end_is_looked_through_once(opening: bytes) -> None:
    """From each quote in it the rest would be gone through again: minutes for a message of one MiB."""
    text = opening + b'\\"' * (1 << 19) + b"\\"
    began = process_time()
    JsonCodec().salvage(text, "why")
    assert process_time() - began < 0.5


@pytest.mark.clause("M12")
def test_of_an_array_only_what_cannot_be_read_is_lost() -> None:
    codec = JsonCodec()
    payload = b'[{"type":"pong","id":1}, {"type":"ack","id":2,"x":NaN},{"type":"pong","t":3}]'
    one, two, three = codec.salvage(payload, "why")
    assert (one, three) == ({"type": "pong", "id": 1}, {"type": "pong", "t": 3})
    assert (type(two), two.members) == (Unread, {"type": "ack", "id": 2})


@pytest.mark.clause("M12")
@pytest.mark.parametrize(
    ("payload", "whole", "rest"),
    [
        (b' [{"a":"]"},1,[{}] , "x"] ', [b'{"a":"]"}', b"1", b"[{}]", b'"x"'], None),
        (b"[]", [], None),
        (b'[{"a":1},{"b":"never ends},{"c":1}]', [b'{"a":1}'], b'{"b":"never ends},{"c":1}]'),
        (b'[{"a":1},{"b":[1},{"c":1}]', [b'{"a":1}'], b'{"b":[1},{"c":1}]'),
        (b'[{"a":1},', [b'{"a":1}'], b""),
        (b"[", [], b""),
    ],
)
def test_an_array_is_taken_apart_as_far_as_ends_are_found(
    payload: bytes, whole: list[bytes], rest: bytes | None
) -> None:
    assert elements_of(payload) == Elements(whole, rest)


@pytest.mark.parametrize("payload", [b"", b"nonsense", b'{"a":[1]}', b'"["', b"]"])
def test_what_is_no_array_has_no_elements(payload: bytes) -> None:
    assert elements_of(payload) is None


@pytest.mark.parametrize("text", [b'{"type":"event","offset":1', b'{"type":"event"}{"offset":1}'])
def test_nothing_is_taken_from_a_number_that_is_cut_or_from_what_comes_behind(text: bytes) -> None:
    assert telling_of(text) == {"type": "event"}


@pytest.mark.clause("M12", "P7", "R8")
async def test_an_array_that_cannot_be_taken_apart_ends_the_connection_and_nothing_is_lost() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        errors = Seen()
        client.on("error", errors)
        logs = await client.subscribe("logs", gaps=True)
        endless = b'{"type":"event","channel":"logs","offset":2,"data":"never ends}'
        hub.push_raw(b"[" + b",".join([event(1, b"1"), endless, event(3, b"3")]) + b"]")
        for number in range(1, 5):
            hub.publish("logs", number)
        read = [await logs.next(SOON) for _ in range(4)]
        assert [str(one) if isinstance(one, Gap) else one.data for one in read] == [
            1,
            "logs: 1 entry missed (unreadable), fake1:1 to fake1:2",
            3,
            4,
        ]
        assert (len(errors.items), client.stats().reconnects) == (1, 1)


@pytest.mark.clause("B4")
def test_a_media_frame_is_known_by_its_header() -> None:
    frame = join(b'{"type":"event","channel":"logs","offset":3,"meta":NaN}', b'{"offset":9}')
    assert JsonCodec().salvage(frame, "why") == Unread({"type": "event", "channel": "logs", "offset": 3}, "why")


@pytest.mark.clause("M14")
def test_msgpack_is_read_in_parts_too() -> None:
    codec = MsgpackCodec()
    odd = {"type": "event", "data": msgpack.ExtType(5, b"x"), "channel": "logs", "offset": 3}
    known = {"type": "event", "channel": "logs", "offset": 3}
    assert codec.salvage(msgpack.packb(odd), "why") == Unread(known, "why")
    fine, unread = codec.salvage(msgpack.packb([{"type": "pong"}, odd]), "why")
    assert (fine, unread.members) == ({"type": "pong"}, known)
    cut = msgpack.packb([{"type": "pong"}, odd])[:-3]
    told = {"type": "event", "channel": "logs"}
    assert codec.salvage(cut, "why") == [{"type": "pong"}, Unread(told, "why", is_endless=True)]
    assert codec.salvage(b"\xc1", "why") == Unread({}, "why")


@pytest.mark.clause("P7")
async def test_an_event_that_cannot_be_read_is_told_once_and_stands_as_a_gap() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        errors, gaps = Seen(), Seen()
        client.on("error", errors)
        client.on("gap", gaps)
        logs = await client.subscribe("logs", gaps=True)
        for offset, odd in enumerate(ODD, 1):
            hub.push_raw(event(offset, odd))
        told = await errors.wait(len(ODD))
        assert [type(one) for one in told] == [ProtocolViolation] * len(ODD)
        assert str(told[0]).startswith("the hub sent") is False
        assert "logs: the event at fake1:1 cannot be read: " in str(told[0])
        assert told[0].channel == "logs"
        hub.push_raw(event(2, b"NaN"))
        hub.push_raw(event(1, b"NaN").replace(b"logs", b"status"))
        hub.push_raw(event(len(ODD) + 1, b"1"))
        stood = [Gap("logs", f"fake1:{place}", f"fake1:{place + 1}", 1, "unreadable") for place in range(len(ODD))]
        assert [await logs.next(SOON) for _ in ODD] == stood == gaps.items
        assert (await logs.next(SOON)).data == 1
        assert logs.position == f"fake1:{len(ODD)}"
        stats = client.stats()
        # Of the fifth nothing tells the offset: it stands right behind the fourth.
        assert (len(errors.items), stats.unreadable, stats.gaps) == (len(ODD), len(ODD), len(ODD))


@pytest.mark.clause("P7")
async def test_a_hundred_odd_events_end_nothing() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        errors = Seen()
        client.on("error", errors)
        logs = await client.subscribe("logs")
        for offset in range(1, 101):
            hub.push_raw(event(offset, b"NaN"))
        hub.push_raw(event(101, b"1"))
        assert (await logs.next(SOON)).data == 1
        assert (len(errors.items), client.state) == (100, "connected")


@pytest.mark.clause("B9")
async def test_content_that_does_not_decode_costs_its_event_and_none_beside_it() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        errors = Seen()
        client.on("error", errors)
        logs = await client.subscribe("logs")
        head = {"type": "event", "channel": "logs", "event": "e", "ts": 1.5, "content_type": "application/json"}
        header = json.dumps({**head, "offset": 1, "content_encoding": "gzip"}).encode()
        peer = hub.peers[0]
        for content in (gzip.compress(DEEP), gzip.compress(b"{"), b"no"):
            peer.socket.protocol.send_binary(join(header, content))
        peer.socket.send_data()
        hub.push_raw(event(2, b'"next"'))
        assert (await logs.next(SOON)).data == "next"
        assert [str(one).partition(" cannot")[0] for one in errors.items] == ["logs: the event at fake1:1"]


@pytest.mark.clause("M4")
async def test_an_answer_that_cannot_be_read_rejects_its_call_at_once() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        errors = Seen()
        client.on("error", errors)
        hub.answer_next("publish", {})
        publishing = asyncio.ensure_future(client.publish("logs", 1, mid=None, timeout=60))
        (asked,) = await hub.asked("publish")
        hub.push_raw(b'{"type":"ack","position":1e99999x,"id":%d}' % asked["id"])
        with pytest.raises(ProtocolViolation, match="the hub sent a message that does not read"):
            async with asyncio.timeout(SOON):
                await publishing
        assert errors.items == []


@pytest.mark.clause("M22")
async def test_a_subscribe_whose_answer_cannot_be_read_ends_at_once() -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        hub.answer_next("subscribe", {})
        logs = client.subscribe("logs")
        (asked,) = await hub.asked("subscribe")
        hub.push_raw(b'{"type":"subscribed","channels":NaN,"id":%d}' % asked["id"])
        with pytest.raises(ProtocolViolation):
            async with asyncio.timeout(SOON):
                await logs
