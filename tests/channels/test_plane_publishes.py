"""Runs of publishes: what the plane hands over as one, what it keeps apart, and how both are the same messages."""

from typing import Any

import orjson
import pytest

from channels._native import EVENT_PUBLISHES, EVENT_TEXT, PublishBatch, decode_entries
from hub.protocol.json_codec import JsonCodec
from hub.protocol.messages import Publish
from tests.support.plane_peer import Running
from tests.support.publishes import batch_of, runs, text

TRACE = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"


@pytest.mark.clause("M4", "M16", "M29")
def test_a_run_tells_what_a_decoder_would() -> None:
    texts = [
        text(id=1, data={"a": [1, 2]}, key="ключ\n"[:4], tags={"b": "\x7f", "a": 'q"'}),
        b' {"data" : 1.50 , "id":"\\u0061\\"","type":"publish","tags":{},"event":"a.b","channel":"actions"} ',
        text(event="x-y:z", traceparent=TRACE, tracestate="a=1"),
    ]
    (run,) = runs(*texts)
    assert (run.channel, len(run), run.is_traced, run.frames()) == ("actions", 3, True, texts)
    assert (run.ids(), run.events(2)) == ([1, 'a"', None], ["e", "a.b"])
    assert run.largest == max(map(len, texts))
    entries = decode_entries(b"".join(PublishBatch([(run, 3)]).encode_entries(1.5)))
    codec = JsonCodec(arrays=False)
    for one, entry in zip(texts, entries, strict=True):
        message: Any = codec.decode_one(one)
        assert isinstance(message, Publish)
        assert entry[:2] == (message.event, bytes(message.data) or b"null")
        assert (entry[2], entry[4], entry[5]) == (message.key, message.traceparent, message.tracestate)
    assert [entry[3] for entry in entries] == [b'{"b":"\x7f","a":"q\\""}', None, None]


@pytest.mark.clause("C14")
def test_the_places_of_messages_are_kept() -> None:
    said = [text(), text("logs"), b'{"type":"ping"}', text(mid="m1"), text("logs"), text("logs")]
    with Running() as running:
        conn, peer = running.connect()
        for one in said:
            peer.send(one)
        seen: list[bytes] = []
        while len(seen) < len(said):
            _, kind, a, _ = running.event(lambda event: event[0] == conn)
            assert kind in (EVENT_PUBLISHES, EVENT_TEXT)
            seen += a.frames() if kind == EVENT_PUBLISHES else [a]  # type: ignore[attr-defined, list-item]
    assert seen == said


@pytest.mark.clause("M30")
def test_a_batch_is_of_one_channel_and_no_longer_than_its_runs() -> None:
    (one,), (other,) = runs(text(), text()), runs(text("logs"))
    with pytest.raises(ValueError, match="publishes to actions was expected, logs came"):
        PublishBatch([(one, 1), (other, 1)])
    for count in (0, 3):
        with pytest.raises(ValueError, match=f"1 to 2 of a run was expected, {count} came"):
            PublishBatch([(one, count)])
    assert len(PublishBatch([(one, 1), (one, 2)])) == 3


@pytest.mark.clause("M30", "P1", "M44")
def test_publishes_are_appended_in_order_and_answered_where_they_came_from() -> None:
    with Running() as running:
        conn, peer = running.connect()
        log = running.plane.open_log("actions", seconds=60, max_bytes=1 << 20)
        for number in (1, 2):
            peer.send(text(id=number, data=number))
        found: list[Any] = []
        while sum(len(run) for run in found) < 2:
            found.append(running.event(lambda event: event[1] == EVENT_PUBLISHES)[2])
        batch = PublishBatch([(run, len(run)) for run in found])
        epoch, first = running.plane.append_publishes(log, batch, 2.0)
        assert running.plane.acknowledge(batch, epoch, first, []) == 2
        assert running.plane.acknowledge(batch, epoch, first, [conn]) == 0
        running.plane.flush()
        answers = [orjson.loads(peer.payload()[1]) for _ in range(2)]
        stored = running.plane.read_log(log, 0)
    assert answers == [{"type": "ack", "id": one, "positions": {"actions": f"{epoch}:{one}"}} for one in (1, 2)]
    assert [b'"data":%d' % number in entry for number, entry in enumerate(stored, 1)] == [True, True]


@pytest.mark.clause("M30")
def test_a_durable_log_takes_them_too(tmp_path: Any) -> None:
    with Running(data_dir=tmp_path, fsync="always") as running:
        log = running.plane.open_log("actions", seconds=60, max_bytes=1 << 20, durable=True)
        batch = batch_of(text(data=1), text(data=2))
        assert running.plane.append_publishes(log, batch, 2.0)[1] == 1
        running.plane.flush()
        running.until_durable("records", 2)
        assert len(running.plane.read_log(log, 0)) == 2
