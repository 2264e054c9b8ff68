import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.backplane.redis.control import Control, UnreadableControlError, read_control, write_control
from channels.backplane.redis.segment import Segment, UnreadableError, is_by, last_of, read_segment, read_stored


def written(segment: Segment, node: str = "n") -> bytes:
    names = (segment.epoch, segment.batch, segment.before, node)
    texts = b"".join(len(text).to_bytes(1, "little") + text.encode() for text in names)
    place = segment.first.to_bytes(8, "little") + segment.length.to_bytes(2, "little")
    place += len(segment.entries).to_bytes(4, "little")
    return b"\x02" + texts + place + segment.entries


@pytest.mark.clause("N17")
@given(st.binary(max_size=200))
def test_any_bytes_are_a_segment_or_unreadable(data: bytes) -> None:
    try:
        segment = read_segment(data)
    except UnreadableError:
        return
    assert 4 <= len(segment.epoch) <= 16


@pytest.mark.clause("N17")
@given(st.integers(0, 60), st.integers(0, 255))
def test_a_segment_with_a_byte_changed_is_a_segment_or_unreadable(at: int, value: int) -> None:
    raw = bytearray(written(Segment("epoch", 7, 3, "batch", b"entries" * 4)))
    raw[at % len(raw)] = value
    try:
        read_segment(bytes(raw))
    except UnreadableError:
        return


@pytest.mark.clause("N17")
@pytest.mark.parametrize("length", range(30))
def test_a_segment_that_is_cut_before_its_entries_is_unreadable(length: int) -> None:
    whole = written(Segment("epoch", 7, 3, "batch", b""))
    if length < len(whole):
        with pytest.raises(UnreadableError):
            read_segment(whole[:length])


def test_a_segment_is_read_as_it_was_written() -> None:
    segment = Segment("epoch", 2**52, 256, "batch", b"entries", "the one before")
    assert read_segment(written(segment)) == segment
    assert segment.last == 2**52 + 255


@pytest.mark.parametrize(
    "segment", [Segment("abc", 1, 1, "b", b"x"), Segment("epoch", 0, 1, "b", b"x"), Segment("epoch", 1, 0, "b", b"x")]
)
def test_a_place_that_is_none_is_unreadable(segment: Segment) -> None:
    with pytest.raises(UnreadableError):
        read_segment(written(segment))


def test_what_the_stream_holds_is_read_by_name_and_ends_where_its_id_says() -> None:
    fields = [b"epoch", b"epoch", b"first", b"5", b"count", b"2", b"batch", b"b", b"node", b"n", b"entries", b"xy"]
    assert read_stored([b"6-0", fields]) == Segment("epoch", 5, 2, "b", b"xy")
    assert read_stored([b"6-0", [*fields, b"before", b"a"]]).before == "a"
    assert last_of([b"6-0", fields]) == 6
    with pytest.raises(UnreadableError):
        read_stored([b"6-0", fields[:-2]])


@pytest.mark.clause("N17")
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[2]",
        b'[9,"n","r",1,0,"kick",{},false]',
        b'[1,"n","r","1",0,"kick",{},false]',
        b"\x80\x04\x95",
        b" " * 200,
    ],
)
def test_a_message_between_nodes_that_is_none_is_unreadable(payload: bytes) -> None:
    with pytest.raises(UnreadableControlError):
        read_control(payload, 100)


def test_a_message_between_nodes_is_read_as_it_was_written() -> None:
    message = Control("n", "r", 3, 1, "kick", {"n": [1, None]}, True)
    assert read_control(write_control(message), 1_000) == message


@pytest.mark.clause("N5")
@pytest.mark.parametrize(
    ("batch", "is_so"), [("run-1f.4fa0c213", True), ("run-1f.5fa0c213", False), ("run-1f", False), ("run-1f.", False)]
)
def test_the_name_of_a_segment_says_which_master_stored_it(batch: str, is_so: bool) -> None:
    assert is_by(batch, "4fa0c213" * 5) is is_so
