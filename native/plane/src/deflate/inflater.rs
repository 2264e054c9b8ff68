use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;

/// Bytes of output that are reserved at once.
const STEP: usize = 16 << 10;

/// Bytes of output whose memory is kept between two messages.
const KEPT: usize = 256 << 10;

/// What became of a compressed message.
#[derive(Debug, PartialEq, Eq)]
pub enum Inflated<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It is longer than it may be, and was not looked at any further.
    TooLarge,
    /// It does not decompress.
    Corrupt,
}

/// The decompressor of an I/O thread.
#[derive(Debug, Default)]
pub struct Inflater {
    stream: Option<Box<Decompress>>,
    out: Vec<u8>,
}

/// How a piece of input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Taken,
    /// The last block of the stream ended, with so many bytes of the piece left.
    Ended(usize),
    TooLarge,
    Corrupt,
}

impl Inflater {
    /// Bytes that it holds.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.out.capacity()
    }

    /// Decompress one message of at most `limit` bytes: never more than that and [`STEP`] is reserved for it (L20, fr7).
    pub fn inflate(&mut self, payload: &[u8], limit: u64) -> Inflated<'_> {
        self.out.clear();
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let stream = self
            .stream
            .get_or_insert_with(|| Box::new(Decompress::new(false)));
        stream.reset(false);
        match take(stream, payload, &mut self.out, limit) {
            Piece::Taken => match take(stream, &TAIL, &mut self.out, limit) {
                Piece::Taken | Piece::Ended(_) => Inflated::Whole(&self.out),
                Piece::TooLarge => Inflated::TooLarge,
                Piece::Corrupt => Inflated::Corrupt,
            },
            // §7.2.3.4: a sender that cannot flush ends its stream and adds an empty byte.
            Piece::Ended(0) => Inflated::Whole(&self.out),
            Piece::Ended(1) if payload.last() == Some(&0) => Inflated::Whole(&self.out),
            Piece::Ended(_) | Piece::Corrupt => Inflated::Corrupt,
            Piece::TooLarge => Inflated::TooLarge,
        }
    }
}

fn take(stream: &mut Decompress, piece: &[u8], out: &mut Vec<u8>, limit: usize) -> Piece {
    let mut rest = piece;
    loop {
        if out.len() == out.capacity() {
            // Doubles, as far as the limit and one byte, which shows that there is more.
            let most = limit.saturating_add(1).saturating_sub(out.len());
            out.reserve_exact(out.len().max(STEP).min(most));
        }
        let before = stream.total_in();
        let Ok(status) = stream.decompress_vec(rest, out, FlushDecompress::Sync) else {
            return Piece::Corrupt;
        };
        if out.len() > limit {
            return Piece::TooLarge;
        }
        let used = usize::try_from(stream.total_in() - before).unwrap_or(usize::MAX);
        rest = rest.get(used..).unwrap_or_default();
        if status == Status::StreamEnd {
            return Piece::Ended(rest.len());
        }
        if out.len() < out.capacity() {
            // Nothing is held back for want of room.
            return if rest.is_empty() {
                Piece::Taken
            } else {
                Piece::Corrupt
            };
        }
    }
}
