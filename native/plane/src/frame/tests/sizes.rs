//! Rows fr3 to fr6: lengths, limits, and what is counted.

use super::super::{Fault, FrameReader, ReaderLimits};
use super::{LIMITS, Seen, frame, read, read_with, text, with_len_form};

/// fr3: a length that is not in its shortest form, or has the top bit set, is 1002 before anything is kept for it.
#[test]
fn odd_lengths_are_1002() {
    for (extended, len) in [(2, 0), (2, 125), (8, 0), (8, 125), (8, 126), (8, 0xffff)] {
        let mut bytes = Vec::new();
        with_len_form(&mut bytes, 0x82, extended, &vec![0; len], [1, 2, 3, 4]);
        let mut reader = FrameReader::new(LIMITS);
        let result = read_with(&mut reader, &bytes).1;
        assert_eq!(
            (Err(1002), 0),
            (
                result.map_err(|fault| fault.close_code()),
                reader.buffered()
            ),
            "{len} in {extended}"
        );
    }
    let top = [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Err(1002), read(&top).1.map_err(|fault| fault.close_code()));
}

/// fr3: each length on both sides of a change of form is read back.
#[test]
fn shortest_lengths_are_taken() {
    for len in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 0x1_0001] {
        let payload = vec![0x5a; len];
        assert_eq!(
            vec![Seen::Binary(payload.clone())],
            read(&frame(0x82, &payload)).0
        );
    }
}

/// fr4, L10: a message over its limit is skipped, in one frame or by the sum of its fragments, and the connection lives on.
#[test]
fn too_large_messages_are_skipped() {
    let limits = ReaderLimits {
        max_message: 1000,
        ..LIMITS
    };
    let one = frame(0x81, &[0xff; 1001]);
    let sum = [
        frame(0x01, &[b'a'; 600]),
        frame(0x89, b"in between"),
        frame(0x00, &[0xff; 401]),
        frame(0x80, &[0xff; 6999]),
    ]
    .concat();
    let mut reader = FrameReader::new(limits);
    assert_eq!(vec![Seen::TooLarge(1001)], read_with(&mut reader, &one).0);
    assert_eq!(
        vec![Seen::Ping(b"in between".to_vec()), Seen::TooLarge(8000)],
        read_with(&mut reader, &sum).0
    );
    assert_eq!(
        vec![text("still here")],
        read_with(&mut reader, &frame(0x81, b"still here")).0
    );
    let exactly = vec![b'a'; 1000];
    assert_eq!(
        vec![Seen::Binary(exactly.clone())],
        read_with(&mut reader, &frame(0x82, &exactly)).0
    );
}

/// fr4: what is skipped is not kept, and what was kept of it is given back.
#[test]
fn skipping_keeps_nothing() {
    let mut reader = FrameReader::new(ReaderLimits {
        max_message: 1000,
        ..LIMITS
    });
    read_with(&mut reader, &frame(0x02, &[0; 1000])).1.unwrap();
    assert_eq!(1000, reader.buffered());
    read_with(&mut reader, &frame(0x00, &[0; 5000])).1.unwrap();
    assert_eq!((0, true), (reader.buffered(), reader.is_mid_message()));
}

/// fr4, L10: more than 8 times the limit is 4013, told by the head alone.
#[test]
fn far_too_large_messages_are_4013() {
    let limits = ReaderLimits {
        max_message: 1000,
        ..LIMITS
    };
    let declared = [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat();
    let sum = [frame(0x02, &[0; 1000]), frame(0x00, &[0; 7001])].concat();
    for bytes in [declared, sum] {
        let mut reader = FrameReader::new(limits);
        assert_eq!(
            (vec![], Err(Fault::TooLarge)),
            read_with(&mut reader, &bytes)
        );
        assert_eq!(0, reader.buffered());
    }
    assert_eq!(4013, Fault::TooLarge.close_code());
}

/// L7, L8: another limit, as after a login, applies to the next frame.
#[test]
fn the_limit_can_change() {
    let mut reader = FrameReader::new(ReaderLimits {
        max_message: 10,
        ..LIMITS
    });
    assert_eq!(
        vec![Seen::TooLarge(11)],
        read_with(&mut reader, &frame(0x82, &[0; 11])).0
    );
    reader.set_max_message(11);
    assert_eq!(
        vec![Seen::Binary(vec![0; 11])],
        read_with(&mut reader, &frame(0x82, &[0; 11])).0
    );
}

/// fr5: 200,000 fragments of one byte are one buffer, which never grows beyond twice what has come.
#[test]
fn many_small_fragments_are_one_buffer() {
    let mut reader = FrameReader::new(LIMITS);
    let fragment = frame(0x00, b"x");
    read_with(&mut reader, &frame(0x01, b"x")).1.unwrap();
    let many = fragment.repeat(199_998);
    read_with(&mut reader, &many).1.unwrap();
    assert_eq!(199_999, reader.buffered());
    assert_eq!(
        vec![text(&"x".repeat(200_000))],
        read_with(&mut reader, &frame(0x80, b"x")).0
    );
    assert_eq!((0, false), (reader.buffered(), reader.is_mid_message()));
}

/// fr6, L16: 64 empty fragments in a row are taken, the 65th is 4229; a byte in one starts the count again, a ping does not.
#[test]
fn empty_fragments_are_counted() {
    let empty = |n: usize| [frame(0x01, b""), frame(0x00, b"").repeat(n - 1)].concat();
    assert_eq!(
        vec![text("x")],
        read(&[empty(64), frame(0x80, b"x")].concat()).0
    );
    assert_eq!(Err(Fault::EmptyFragments), read(&empty(65)).1);
    assert_eq!(
        Err(Fault::EmptyFragments),
        read(&[empty(64), frame(0x89, b""), frame(0x00, b"")].concat()).1
    );
    let interrupted = [
        empty(64),
        frame(0x00, b"x"),
        frame(0x00, b"").repeat(64),
        frame(0x80, b"y"),
    ]
    .concat();
    assert_eq!(vec![text("xy")], read(&interrupted).0);
    assert_eq!(4229, Fault::EmptyFragments.close_code());
}

/// fr6: empty messages are messages, whatever their number.
#[test]
fn empty_messages_are_no_fragments() {
    assert_eq!(vec![text(""); 200], read(&frame(0x81, b"").repeat(200)).0);
}
