//! The headers of our own frames taken off again, for virtual connections: their ASGI server writes frames of its own.

use std::ops::Range;

use super::Opcode;

/// One whole server frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFrame {
    /// Whether its message ends with it.
    pub fin: bool,
    /// [`Opcode::Continuation`] for all fragments but the first.
    pub opcode: Opcode,
    /// Where its payload stands in the bytes given.
    pub payload: Range<usize>,
}

/// Whole frames in bytes written by [`super::write_message`] and its kin. It ends before a frame that is not yet whole, or
/// before bytes that are no server frame; both are what [`ServerFrames::consumed`] leaves over.
#[derive(Clone, Debug)]
pub struct ServerFrames<'a> {
    bytes: &'a [u8],
    consumed: usize,
}

impl<'a> ServerFrames<'a> {
    /// `bytes` begin with a frame.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, consumed: 0 }
    }

    /// Bytes of the frames handed over up to now; what follows is the incomplete tail.
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}

impl Iterator for ServerFrames<'_> {
    type Item = ServerFrame;

    fn next(&mut self) -> Option<ServerFrame> {
        let rest = self.bytes.get(self.consumed..)?;
        let (head, after) = rest.split_first_chunk::<2>()?;
        let [first, second] = *head;
        let (payload_len, after) = match second {
            0..=125 => (u64::from(second), after),
            126 => {
                let (len, after) = after.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*len)), after)
            }
            127 => {
                let (len, after) = after.split_first_chunk()?;
                (u64::from_be_bytes(*len), after)
            }
            // A masked frame was never ours.
            _ => return None,
        };
        let opcode = Opcode::from_bits(first & 0x0f)?;
        let payload = after.get(..usize::try_from(payload_len).ok()?)?;
        let start = self.bytes.len().checked_sub(after.len())?;
        self.consumed = start.checked_add(payload.len())?;
        Some(ServerFrame {
            fin: first & 0x80 != 0,
            opcode,
            payload: start..self.consumed,
        })
    }
}
