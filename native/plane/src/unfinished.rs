//! A message begun: it is finished before anything but control frames goes out.

use std::rc::Rc;

/// A message that a socket has taken in part.
#[derive(Debug)]
pub struct Unfinished {
    bytes: Rc<Vec<u8>>,
    start: usize,
    at: usize,
    end: usize,
}

impl Unfinished {
    /// The message from `start` to `end` of `bytes`, written up to `at`.
    pub fn new(bytes: Rc<Vec<u8>>, start: usize, at: usize, end: usize) -> Self {
        Self {
            bytes,
            start,
            at,
            end,
        }
    }

    /// What is left.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    /// What is left of the frame begun; nothing where control frames may pass (B1).
    pub fn rest_of_frame(&self) -> &[u8] {
        let mut boundary = self.start;
        while boundary < self.at {
            let frame = self.bytes.get(boundary..self.end).map_or(0, frame_len);
            if frame == 0 {
                return self.rest();
            }
            boundary = boundary.saturating_add(frame).min(self.end);
        }
        self.bytes.get(self.at..boundary).unwrap_or_default()
    }

    /// `taken` more bytes were taken; whether that was all.
    pub fn advance(&mut self, taken: usize) -> bool {
        self.at = self.at.saturating_add(taken).min(self.end);
        self.at == self.end
    }
}

/// Bytes of the unmasked frame at the beginning of `bytes`, which we wrote ourselves.
fn frame_len(bytes: &[u8]) -> usize {
    let (head, payload) = match bytes {
        [_, 127, rest @ ..] => (10, rest.first_chunk().map(|len| u64::from_be_bytes(*len))),
        [_, 126, rest @ ..] => (
            4,
            rest.first_chunk()
                .map(|len| u64::from(u16::from_be_bytes(*len))),
        ),
        [_, len, ..] => (2, Some(u64::from(*len))),
        _ => return 0,
    };
    payload
        .and_then(|payload| usize::try_from(payload).ok())
        .map_or(0, |payload| payload.saturating_add(head))
}
