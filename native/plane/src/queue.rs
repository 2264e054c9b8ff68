//! Bytes of whole frames on their way out.

/// Buffers up to this size are kept for the next answers.
const KEPT: usize = 4 << 10;

/// Bytes already written that a buffer carries along at most, unless they are its smaller half.
const COMPACTED: usize = 64 << 10;

/// A buffer that is written from its beginning and appended to at its end.
#[derive(Debug, Default)]
pub struct Queue {
    /// What was appended and not yet let go.
    pub bytes: Vec<u8>,
    /// How much of it was written.
    pub at: usize,
}

impl Queue {
    /// What is left to write.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// So many bytes more were written.
    pub fn advance(&mut self, taken: usize) {
        self.at += taken;
        if self.at >= self.bytes.len() {
            self.at = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        } else if self.at > COMPACTED && self.at > self.bytes.len() / 2 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
