//! The head of a client frame (RFC 6455 §5.2): refused as soon as its bytes show a fault, before anything is done for it.

use super::{Fault, Opcode};

/// The reserved bit of permessage-deflate (RFC 7692 §6): the message that begins with this frame is compressed.
pub(super) const COMPRESSED: u8 = 0x40;

/// Bytes of the longest head.
const MAX: usize = 14;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// What a frame says about itself before its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub fin: bool,
    /// The first frame of a message that is compressed.
    pub is_compressed: bool,
    pub opcode: Opcode,
    /// Declared payload bytes, below 2^63.
    pub len: u64,
    pub mask: [u8; 4],
    /// Bytes of the head itself.
    pub size: usize,
}

impl Head {
    /// The head that `bytes` begin with; `None` while it may still become one. `deflate`: that was negotiated.
    pub fn parse(bytes: &[u8], deflate: bool) -> Result<Option<Self>, Fault> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let opcode = opcode_of(first, deflate)?;
        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        check_second(second, opcode)?;
        let Some((len, rest)) = length(second & LENGTH, rest)? else {
            return Ok(None);
        };
        let Some((&mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some(Self {
            fin: first & FIN != 0,
            is_compressed: first & COMPRESSED != 0,
            opcode,
            len,
            mask,
            size: bytes.len().saturating_sub(rest.len()),
        }))
    }

    /// A message, or control frame, in one piece.
    pub fn is_single(&self) -> bool {
        self.fin && self.opcode != Opcode::Continuation
    }

    /// Bytes of head and payload; `None` if they cannot be counted here, and so cannot have arrived.
    pub fn frame_len(&self) -> Option<usize> {
        usize::try_from(self.len).ok()?.checked_add(self.size)
    }
}

/// The bytes of a head that were the last of their input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PartialHead {
    bytes: [u8; MAX],
    len: usize,
}

impl PartialHead {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The head that `input` completes, and how many bytes of `input` are part of it; else `input` was kept whole.
    pub fn complete(
        &mut self,
        input: &[u8],
        deflate: bool,
    ) -> Result<Option<(Head, usize)>, Fault> {
        let kept = self.len;
        if kept == 0
            && let Some(head) = Head::parse(input, deflate)?
        {
            return Ok(Some((head, head.size)));
        }
        for (place, byte) in self.bytes.iter_mut().skip(kept).zip(input) {
            *place = *byte;
        }
        self.len = kept.saturating_add(input.len()).min(MAX);
        let joined = self.bytes.get(..self.len).unwrap_or_default();
        let Some(head) = Head::parse(joined, deflate)? else {
            return Ok(None);
        };
        self.len = 0;
        // What was kept was no whole head.
        Ok(Some((head, head.size.saturating_sub(kept))))
    }
}

/// fr1: reserved bits, reserved opcodes, fragmented control frames. fr8: a message says that it is compressed where it begins.
fn opcode_of(first: u8, deflate: bool) -> Result<Opcode, Fault> {
    let allowed = if deflate { COMPRESSED } else { 0 };
    if first & RSV & !allowed != 0 {
        return Err(Fault::Protocol(
            "protocol_error; expected reserved bits of 0",
        ));
    }
    let Some(opcode) = Opcode::from_bits(first & OPCODE) else {
        return Err(Fault::Protocol(
            "protocol_error; expected opcode 0, 1, 2, 8, 9 or 10",
        ));
    };
    if first & COMPRESSED != 0 && !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return Err(Fault::Protocol(
            "protocol_error; expected RSV1 at the beginning of a message only",
        ));
    }
    if opcode.is_control() && first & FIN == 0 {
        return Err(Fault::Protocol(
            "protocol_error; expected a control frame in one piece",
        ));
    }
    Ok(opcode)
}

/// fr1: unmasked frames, long control frames.
fn check_second(second: u8, opcode: Opcode) -> Result<(), Fault> {
    if second & MASKED == 0 {
        return Err(Fault::Protocol("protocol_error; expected a masked frame"));
    }
    if opcode.is_control() && second & LENGTH > 125 {
        return Err(Fault::Protocol(
            "protocol_error; expected at most 125 bytes in a control frame",
        ));
    }
    Ok(())
}

/// fr3: the length and what follows it; one that is not in its shortest form, or has the top bit set, is a fault.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Fault> {
    let (len, least, rest) = match short {
        126 => match rest.split_first_chunk() {
            Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), 126, rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((len, rest)) => (u64::from_be_bytes(*len), 0x1_0000, rest),
            None => return Ok(None),
        },
        _ => (u64::from(short), 0, rest),
    };
    if len < least {
        return Err(Fault::Protocol(
            "protocol_error; expected the length in its shortest form",
        ));
    }
    if i64::try_from(len).is_err() {
        return Err(Fault::Protocol(
            "protocol_error; expected a length below 2^63",
        ));
    }
    Ok(Some((len, rest)))
}
