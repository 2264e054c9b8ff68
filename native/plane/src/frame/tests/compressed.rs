//! Messages of permessage-deflate, as far as frames go (RFC 7692 §6): who may say that it is compressed, and where.

use super::super::{MAX_FRAGMENT, Opcode, ServerFrames, write_compressed};
use super::{FrameReader, LIMITS, ReaderLimits, Seen, frame, read, read_with};

const DEFLATE: ReaderLimits = ReaderLimits {
    deflate: true,
    ..LIMITS
};

fn reader() -> FrameReader {
    FrameReader::new(DEFLATE)
}

/// B2: the first frame says it for the whole message, in one frame or many, with control frames between.
#[test]
fn the_first_frame_says_that_a_message_is_compressed() {
    let stream = [
        frame(0xc1, b"one"),
        frame(0x81, b"plain"),
        frame(0x42, b"in "),
        frame(0x89, b"!"),
        frame(0x00, b"many "),
        frame(0x80, b"parts"),
    ]
    .concat();
    let expected = vec![
        Seen::Compressed(true, b"one".to_vec()),
        Seen::Text("plain".into()),
        Seen::Ping(b"!".to_vec()),
        Seen::Compressed(false, b"in many parts".to_vec()),
    ];
    let (seen, result) = read_with(&mut reader(), &stream);
    assert_eq!((&expected, Ok(stream.len())), (&seen, result));
    // Byte by byte as well; what is compressed is not held to be UTF-8.
    let mut slow = reader();
    let bytes = [&stream[..], &frame(0xc1, b"\xff\xfe")].concat();
    let seen: Vec<Seen> = bytes
        .iter()
        .flat_map(|byte| read_with(&mut slow, &[*byte]).0)
        .collect();
    assert_eq!(expected, seen[..4]);
    assert_eq!(Seen::Compressed(true, b"\xff\xfe".to_vec()), seen[4]);
}

/// fr8, B2: never on control or continuation frames, never the other reserved bits, never without negotiation.
#[test]
fn the_bit_stands_nowhere_else() {
    let begun = frame(0x01, b"a");
    for stream in [
        frame(0xc8, b""),
        frame(0xc9, b""),
        frame(0xca, b""),
        [&begun[..], &frame(0xc0, b"b")].concat(),
        [&frame(0x41, b"a")[..], &frame(0x40, b"b")].concat(),
        frame(0xa1, b""),
        frame(0x91, b""),
        frame(0xf1, b""),
    ] {
        let (seen, result) = read_with(&mut reader(), &stream);
        assert!(seen.is_empty(), "{stream:02x?}");
        assert_eq!(Some(1002), result.err().map(|fault| fault.close_code()));
    }
    let (seen, result) = read(&frame(0xc1, b"a"));
    assert_eq!(
        (0, Some(1002)),
        (seen.len(), result.err().map(|fault| fault.close_code()))
    );
}

/// L20: what is compressed may be a little longer on the wire than its limit, since not everything becomes shorter.
#[test]
fn the_wire_may_be_a_little_longer_than_the_message() {
    let limits = ReaderLimits {
        max_message: 1_000,
        ..DEFLATE
    };
    for (first, len, taken) in [
        (0xc2, 1_064, true),
        (0xc2, 1_065, false),
        (0x82, 1_000, true),
        (0x82, 1_001, false),
    ] {
        for cut in [0, 5] {
            let stream = frame(first, &vec![7; len]);
            let mut reader = FrameReader::new(limits);
            let mut seen = read_with(&mut reader, &stream[..cut]).0;
            seen.extend(read_with(&mut reader, &stream[cut..]).0);
            let skipped = Seen::TooLarge(len as u64);
            assert_eq!(taken, seen != [skipped], "{first:x} {len} {cut}");
        }
    }
}

/// B1, B2: of a compressed message in fragments the first frame alone has the bit.
#[test]
fn a_compressed_message_is_fragmented_like_any_other() {
    let mut out = Vec::new();
    write_compressed(&mut out, Opcode::Text, &vec![7; MAX_FRAGMENT + 1]);
    let frames: Vec<_> = ServerFrames::new(&out).collect();
    let heads: Vec<u8> = frames
        .iter()
        .map(|frame| {
            out[if frame.payload.len() > 125 {
                frame.payload.start - 10
            } else {
                frame.payload.start - 2
            }]
        })
        .collect();
    assert_eq!(vec![0x41, 0x80], heads);
}

/// L10: what a small limit leaves to compression holds for a message that comes in two pieces as for one that comes whole.
#[test]
fn a_message_that_may_be_longer_compressed_may_so_however_it_comes() {
    let small = ReaderLimits {
        max_message: 1,
        ..DEFLATE
    };
    let stream = frame(0xc1, b"ten bytes.");
    let expected = vec![Seen::Compressed(true, b"ten bytes.".to_vec())];
    let (whole, _) = read_with(&mut FrameReader::new(small), &stream);
    assert_eq!(expected, whole);
    let mut slow = FrameReader::new(small);
    let (first, last) = stream.split_at(9);
    assert_eq!((vec![], Ok(9)), read_with(&mut slow, first));
    assert_eq!((expected, Ok(last.len())), read_with(&mut slow, last));
}
