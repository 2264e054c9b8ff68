//! Server frames, and their heads taken off again.

use super::super::{
    MAX_FRAGMENT, Opcode, ServerFrames, wire_len, write_close, write_control, write_message,
};

fn frames_of(bytes: &[u8]) -> (Vec<(bool, Opcode, Vec<u8>)>, usize) {
    let mut frames = ServerFrames::new(bytes);
    let seen = frames
        .by_ref()
        .map(|frame| (frame.fin, frame.opcode, bytes[frame.payload].to_vec()))
        .collect();
    (seen, frames.consumed())
}

/// B1: a message over 64 KiB goes out in fragments of at most 64 KiB, a smaller one whole, and its length is known before.
#[test]
fn long_messages_are_fragmented() {
    for len in [
        0,
        1,
        125,
        126,
        0xffff,
        MAX_FRAGMENT,
        MAX_FRAGMENT + 1,
        2 * MAX_FRAGMENT,
        2 * MAX_FRAGMENT + 7,
    ] {
        let payload: Vec<u8> = (0..len).map(|at| at.to_le_bytes()[0]).collect();
        let mut out = b"before".to_vec();
        write_message(&mut out, Opcode::Text, &payload);
        assert_eq!(6 + wire_len(len), out.len());
        let (frames, consumed) = frames_of(&out[6..]);
        let count = len.div_ceil(MAX_FRAGMENT).max(1);
        let heads: Vec<(bool, Opcode)> = frames
            .iter()
            .map(|(fin, opcode, _)| (*fin, *opcode))
            .collect();
        let expected: Vec<(bool, Opcode)> = (1..=count)
            .map(|n| {
                (
                    n == count,
                    if n == 1 {
                        Opcode::Text
                    } else {
                        Opcode::Continuation
                    },
                )
            })
            .collect();
        assert_eq!((expected, out.len() - 6), (heads, consumed));
        assert!(frames.iter().all(|(_, _, part)| part.len() <= MAX_FRAGMENT));
        let joined: Vec<u8> = frames.into_iter().flat_map(|(_, _, part)| part).collect();
        assert_eq!(payload, joined);
    }
}

/// RFC 6455 §5.5: control frames carry at most 125 bytes.
#[test]
fn control_frames_fit() {
    let mut out = Vec::new();
    write_control(&mut out, Opcode::Pong, b"hi");
    assert_eq!(b"\x8a\x02hi"[..], out);
    out.clear();
    write_control(&mut out, Opcode::Ping, &[7; 200]);
    assert_eq!((0x89, 125, 127), (out[0], out[1], out.len()));
}

/// X3: the close reason is cut to 123 bytes, between characters.
#[test]
fn close_reasons_are_cut_between_characters() {
    let mut out = Vec::new();
    write_close(&mut out, 4213, "slow");
    assert_eq!(
        [&[0x88, 6][..], &4213_u16.to_be_bytes(), b"slow"].concat(),
        out
    );
    out.clear();
    write_close(&mut out, 1000, &format!("{}é", "a".repeat(122)));
    assert_eq!(
        [
            &[0x88, 124][..],
            &1000_u16.to_be_bytes(),
            "a".repeat(122).as_bytes()
        ]
        .concat(),
        out
    );
}

/// Server frames are taken apart up to the first that has not come whole, for every cut.
#[test]
fn server_frames_leave_the_tail() {
    let mut out = Vec::new();
    write_message(&mut out, Opcode::Text, b"one");
    let first = out.len();
    write_message(&mut out, Opcode::Binary, &[0; 300]);
    let second = out.len();
    write_control(&mut out, Opcode::Ping, b"");
    for cut in 0..=out.len() {
        let whole = [first, second, out.len()]
            .iter()
            .filter(|end| **end <= cut)
            .count();
        let (frames, consumed) = frames_of(&out[..cut]);
        assert_eq!(
            (whole, [0, first, second, out.len()][whole]),
            (frames.len(), consumed)
        );
    }
}

/// What no server of ours writes is left over, not misread.
#[test]
fn foreign_frames_end_the_server_frames() {
    for bytes in [
        &[0x81, 0x81, 0, 0, 0, 0, 0][..],
        &[0x83, 0],
        &[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert_eq!((vec![], 0), frames_of(bytes));
    }
}
