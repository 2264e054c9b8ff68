//! A message that comes in pieces: one buffer, whatever the number of its fragments (fr5).

use super::head::Head;
use super::utf8::Utf8Stream;
use super::{Fault, Incoming, Opcode, ReaderLimits};

#[derive(Debug)]
pub(super) struct Message {
    /// Of text that is not compressed, how far its UTF-8 has been seen.
    text: Option<Utf8Stream>,
    is_text: bool,
    is_compressed: bool,
    buffer: Vec<u8>,
    /// What its frames have declared up to now.
    size: u64,
    skipped: bool,
    /// Empty fragments since the last one that was not.
    empty: u32,
}

impl Message {
    pub fn new(opcode: Opcode, is_compressed: bool) -> Self {
        let is_text = opcode == Opcode::Text;
        Self {
            text: (is_text && !is_compressed).then(Utf8Stream::default),
            is_text,
            is_compressed,
            buffer: Vec::new(),
            size: 0,
            skipped: false,
            empty: 0,
        }
    }

    /// The next frame of the message, checked before a byte of it is taken (L10, L16).
    pub fn declare(&mut self, head: &Head, limits: &ReaderLimits) -> Result<(), Fault> {
        self.size = self.size.saturating_add(head.len);
        let skipped = limits.max_message.saturating_mul(limits.skip_factor);
        if self.size > skipped.max(limits.max_wire(self.is_compressed)) {
            return Err(Fault::TooLarge);
        }
        if self.size > limits.max_wire(self.is_compressed) {
            self.skipped = true;
            self.buffer = Vec::new();
        }
        self.empty = match head.len {
            0 if !head.is_single() => self.empty.saturating_add(1),
            _ => 0,
        };
        if self.empty > limits.max_empty_fragments {
            return Err(Fault::EmptyFragments);
        }
        Ok(())
    }

    /// Over its limit: nothing more of it is looked at.
    pub fn is_skipped(&self) -> bool {
        self.skipped
    }

    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// An unmasked piece of its payload.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if let Some(text) = &mut self.text {
            text.push(piece)?;
        }
        self.make_room(piece.len());
        self.buffer.extend_from_slice(piece);
        Ok(())
    }

    /// The message, now that its last frame has come.
    pub fn whole(&self) -> Result<Incoming<'_>, Fault> {
        match &self.text {
            _ if self.skipped => Ok(Incoming::TooLarge { size: self.size }),
            _ if self.is_compressed => Ok(Incoming::Compressed {
                is_text: self.is_text,
                payload: &self.buffer,
            }),
            Some(text) => text.end().map(|()| Incoming::Text(&self.buffer)),
            None => Ok(Incoming::Binary(&self.buffer)),
        }
    }

    /// Doubles like `Vec` does, but never beyond what was declared, which is within the limit: the memory of a message is at
    /// most twice what has arrived, and at most its limit.
    fn make_room(&mut self, more: usize) {
        let needed = self.buffer.len().saturating_add(more);
        if needed <= self.buffer.capacity() {
            return;
        }
        let declared = usize::try_from(self.size).unwrap_or(usize::MAX);
        let target = self
            .buffer
            .capacity()
            .saturating_mul(2)
            .min(declared)
            .max(needed);
        self.buffer
            .reserve_exact(target.saturating_sub(self.buffer.len()));
    }
}
