//! The reader and the writers from outside: clause by clause, and against a model.

use std::ops::ControlFlow;

use super::{Fault, FrameReader, Incoming, ReaderLimits};

mod compressed;
mod framing;
mod model;
mod random;
mod sizes;
mod writing;

const LIMITS: ReaderLimits = ReaderLimits {
    max_message: 1 << 20,
    skip_factor: 8,
    max_empty_fragments: 64,
    deflate: false,
};

/// An [`Incoming`] that outlives its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    TooLarge(u64),
    Compressed(bool, Vec<u8>),
}

impl From<Incoming<'_>> for Seen {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(String::from_utf8(text.to_vec()).unwrap()),
            Incoming::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Incoming::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Incoming::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Incoming::Close { code, reason } => Self::Close(code, reason.to_owned()),
            Incoming::TooLarge { size } => Self::TooLarge(size),
            Incoming::Compressed { is_text, payload } => {
                Self::Compressed(is_text, payload.to_vec())
            }
        }
    }
}

/// A masked frame whose length takes 0, 2 or 8 further bytes, needed or not.
pub(super) fn with_len_form(
    out: &mut Vec<u8>,
    first: u8,
    extended: usize,
    payload: &[u8],
    mask: [u8; 4],
) {
    let len = (payload.len() as u64).to_be_bytes();
    let short = match extended {
        0 => len[7],
        2 => 126,
        _ => 127,
    };
    out.extend([first, 0x80 | short]);
    out.extend_from_slice(&len[8 - extended..]);
    out.extend(mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
}

/// A masked frame as a client has to send it.
pub(super) fn client_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], mask: [u8; 4]) {
    let extended = match payload.len() {
        0..126 => 0,
        126..0x1_0000 => 2,
        _ => 8,
    };
    with_len_form(out, first, extended, payload, mask);
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    client_frame(&mut out, first, payload, [0x37, 0xfa, 0x21, 0x3d]);
    out
}

fn read_with(reader: &mut FrameReader, input: &[u8]) -> (Vec<Seen>, Result<usize, Fault>) {
    let mut seen = Vec::new();
    let result = reader.read(&mut input.to_vec(), &mut |incoming| {
        seen.push(Seen::from(incoming));
        ControlFlow::Continue(())
    });
    (seen, result)
}

fn read(input: &[u8]) -> (Vec<Seen>, Result<usize, Fault>) {
    read_with(&mut FrameReader::new(LIMITS), input)
}

fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}
