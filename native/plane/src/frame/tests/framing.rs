//! Rows fr1, fr2 and fr9 of the attack catalogue, and how a reader is fed.

use std::ops::ControlFlow;

use super::super::{Fault, FrameReader, Incoming};
use super::{LIMITS, Seen, frame, read, read_with, text};

/// fr1: each broken frame ends the connection with 1002, what came before it is handed over, and nothing of it is.
#[test]
fn broken_framing_is_1002_and_reaches_nobody() {
    let unmasked = [&[0x81, 0x01][..], b"x"].concat();
    let broken: &[Vec<u8>] = &[
        unmasked,
        frame(0xc1, b"x"),
        frame(0xa1, b"x"),
        frame(0x91, b"x"),
        frame(0x83, b"x"),
        frame(0x87, b"x"),
        frame(0x8b, b"x"),
        frame(0x8f, b"x"),
        frame(0x09, b"x"),
        frame(0x0a, b"x"),
        frame(0x08, b""),
        frame(0x89, &[b'x'; 126]),
        frame(0x80, b"x"),
        frame(0x00, b"x"),
        [frame(0x01, b"x"), frame(0x81, b"y")].concat(),
        [frame(0x02, b"x"), frame(0x02, b"y")].concat(),
        frame(0x88, b"\x03"),
    ];
    for bytes in broken {
        let (seen, result) =
            read(&[frame(0x81, b"before"), bytes.clone(), frame(0x81, b"after")].concat());
        assert_eq!(
            (vec![text("before")], Err(1002)),
            (seen, result.map_err(|fault| fault.close_code())),
            "{bytes:x?}"
        );
    }
}

/// fr1: the codes that may stand in a close frame are those of RFC 6455 §7.4 and its registry, 3000–4999, and no others.
#[test]
fn close_codes_are_those_that_may_be_sent() {
    let taken = |code: u16| read(&frame(0x88, &code.to_be_bytes())).1.is_ok();
    let actual: Vec<u16> = (0..=u16::MAX).filter(|code| taken(*code)).collect();
    let expected: Vec<u16> = (1000..=1003)
        .chain(1007..=1014)
        .chain(3000..=4999)
        .collect();
    assert_eq!(expected, actual);
}

/// fr1: the reasons of all faults fit a close frame and echo nothing (X3).
#[test]
fn fault_reasons_fit_a_close_frame() {
    for input in [
        &[0xf0][..],
        &[0x83],
        &[0x09],
        &[0x81, 0x00],
        &[0x89, 0xff],
        &frame(0x88, b"\x03"),
        &frame(0x80, b""),
    ] {
        let fault = read(input).1.unwrap_err();
        assert!(
            fault.reason().starts_with("protocol_error; expected "),
            "{fault:?}"
        );
        assert!(fault.reason().len() <= 123, "{fault:?}");
    }
}

/// fr1: a fault is told by the first byte that shows it, without waiting for the rest of the frame.
#[test]
fn faults_show_in_the_first_bytes() {
    for (bytes, at) in [
        (frame(0xc1, b"x"), 0),
        (frame(0x83, b"x"), 0),
        (frame(0x09, b"x"), 0),
        (frame(0x89, &[0; 126]), 1),
    ] {
        let mut reader = FrameReader::new(LIMITS);
        let refused = bytes
            .iter()
            .position(|byte| read_with(&mut reader, &[*byte]).1.is_err());
        assert_eq!(Some(at), refused);
    }
}

/// fr2: text that is not UTF-8 is 1007: whole, in fragments, cut at its end, and in a close reason.
#[test]
fn bad_utf8_is_1007() {
    for bytes in [
        frame(0x81, b"caf\xe9"),
        [frame(0x01, b"caf"), frame(0x80, b"\xe9 au lait")].concat(),
        [frame(0x01, b"\xce"), frame(0x00, b""), frame(0x80, b"\xce")].concat(),
        frame(0x81, b"\xce\xba\xe1\xbd"),
        [frame(0x01, b"\xce\xba"), frame(0x80, b"\xe1\xbd")].concat(),
        frame(0x88, b"\x03\xe8\xed\xa0\x80"),
    ] {
        assert_eq!((vec![], Err(Fault::Utf8)), read(&bytes));
    }
}

/// fr2: a character may be cut by fragments and by reads, and a ping may stand inside it.
#[test]
fn cut_characters_are_whole_again() {
    let bytes = [
        frame(0x01, b"\xf0\x9f"),
        frame(0x89, b"!"),
        frame(0x80, b"\x98\x80"),
    ]
    .concat();
    assert_eq!(
        (
            vec![Seen::Ping(b"!".to_vec()), text("\u{1F600}")],
            Ok(bytes.len())
        ),
        read(&bytes)
    );
}

/// fr2: the first impossible byte is refused although its frame and its message are unfinished (Autobahn 6.4).
#[test]
fn utf8_fails_at_the_first_impossible_byte() {
    let bytes = frame(0x01, b"\xce\xba\xf4\x90\x80\x80 and more");
    let mut reader = FrameReader::new(LIMITS);
    let head = 6;
    assert_eq!(
        (vec![], Ok(head + 3)),
        read_with(&mut reader, &bytes[..head + 3])
    );
    assert_eq!(
        (vec![], Err(Fault::Utf8)),
        read_with(&mut reader, &bytes[head + 3..head + 4])
    );
}

/// fr9: a close frame inside an unfinished message is a close frame, and what follows it is discarded, in this read and later.
#[test]
fn close_inside_a_message_is_handed_over_and_ends() {
    let mut reader = FrameReader::new(LIMITS);
    let bytes = [
        frame(0x01, b"unfinished"),
        frame(0x88, b"\x03\xe8bye"),
        frame(0x80, b"late"),
        frame(0x83, b""),
    ]
    .concat();
    let closed = vec![Seen::Close(Some(1000), "bye".to_owned())];
    assert_eq!((closed, Ok(bytes.len())), read_with(&mut reader, &bytes));
    assert_eq!((vec![], Ok(3)), read_with(&mut reader, b"\xff\xff\xff"));
    assert_eq!((0, false), (reader.buffered(), reader.is_mid_message()));
}

/// A close frame may be empty (1005), or full.
#[test]
fn close_frames_of_all_sizes() {
    assert_eq!(
        vec![Seen::Close(None, String::new())],
        read(&frame(0x88, b"")).0
    );
    let reason = "a".repeat(123);
    let full = [&4001_u16.to_be_bytes(), reason.as_bytes()].concat();
    assert_eq!(
        vec![Seen::Close(Some(4001), reason)],
        read(&frame(0x88, &full)).0
    );
}

/// After a fault the reader takes everything and hands nothing over.
#[test]
fn a_fault_is_told_once() {
    let mut reader = FrameReader::new(LIMITS);
    assert!(read_with(&mut reader, &[0xff]).1.is_err());
    assert_eq!(
        (vec![], Ok(9)),
        read_with(&mut reader, &frame(0x81, b"abc"))
    );
}

/// A whole message is handed over as a slice of the input, not as a copy of it.
#[test]
fn whole_messages_are_slices_of_the_input() {
    let mut input = [
        frame(0x81, b"one"),
        frame(0x82, b"two"),
        frame(0x89, b"three"),
    ]
    .concat();
    let span = input.as_ptr_range();
    let mut reader = FrameReader::new(LIMITS);
    let mut count = 0;
    let mut sink = |incoming: Incoming<'_>| {
        let (Incoming::Text(bytes) | Incoming::Binary(bytes) | Incoming::Ping(bytes)) = incoming
        else {
            unreachable!("only what was sent");
        };
        assert!(span.contains(&bytes.as_ptr()));
        count += 1;
        ControlFlow::Continue(())
    };
    reader.read(&mut input, &mut sink).unwrap();
    assert_eq!(
        (3, 0, false),
        (count, reader.buffered(), reader.is_mid_message())
    );
}

/// A sink that breaks gets the next message with the next read, and the rest of the input is as it came.
#[test]
fn a_broken_read_goes_on_later() {
    let mut input = [frame(0x81, b"one"), frame(0x81, b"two")].concat();
    let mut reader = FrameReader::new(LIMITS);
    assert_eq!(
        Ok(9),
        reader.read(&mut input, &mut |_| ControlFlow::Break(()))
    );
    assert_eq!(frame(0x81, b"two"), input[9..]);
    assert_eq!(vec![text("two")], read_with(&mut reader, &input[9..]).0);
}

/// L16: what is unfinished is known from its first byte to its last, and a new one is told from an old one that grows.
#[test]
fn unfinished_messages_are_known() {
    let mut reader = FrameReader::new(LIMITS);
    let mut state = |bytes: &[u8]| {
        read_with(&mut reader, bytes).1.unwrap();
        (reader.is_mid_message(), reader.started())
    };
    let message = frame(0x81, b"hello");
    assert_eq!((false, 0), state(&message));
    assert_eq!((true, 1), state(&message[..1]));
    assert_eq!((true, 1), state(&message[1..8]));
    assert_eq!((true, 2), state(&[&message[8..], &message[..3]].concat()));
    assert_eq!((false, 2), state(&message[3..]));
    assert_eq!((true, 3), state(&frame(0x01, b"hel")));
    assert_eq!((true, 3), state(&frame(0x89, b"ping")));
    assert_eq!((false, 3), state(&frame(0x80, b"lo")));
}

/// A connection that is idle owns a few words and no heap memory.
#[test]
fn an_idle_reader_is_small() {
    assert!(
        size_of::<FrameReader>() <= 48,
        "{}",
        size_of::<FrameReader>()
    );
    let mut reader = FrameReader::new(LIMITS);
    read_with(
        &mut reader,
        &[frame(0x01, b"hel"), frame(0x80, b"lo")].concat(),
    )
    .1
    .unwrap();
    assert!(!reader.is_mid_message());
}
