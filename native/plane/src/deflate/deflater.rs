use flate2::{Compress, Compression, FlushCompress};

use super::TAIL;

/// Messages below are sent as they are (B3).
const LEAST: usize = 512;

/// Bytes of output whose memory is kept between two messages.
const KEPT: usize = 256 << 10;

/// The compressor of an I/O thread.
#[derive(Debug, Default)]
pub struct Deflater {
    stream: Option<Box<Compress>>,
    out: Vec<u8>,
    /// Messages compressed since this was last asked, their bytes, and what became of them.
    counted: (u64, u64, u64),
}

impl Deflater {
    /// `payload` compressed, unless it is short or would not become shorter.
    pub fn deflate(&mut self, payload: &[u8]) -> Option<&[u8]> {
        if payload.len() < LEAST {
            return None;
        }
        self.out.clear();
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
        let stream = self.stream.get_or_insert_with(|| {
            // Level 1 (B3); a window of 15 bits, which every peer has (B2).
            Box::new(Compress::new(Compression::fast(), false))
        });
        stream.reset();
        self.out.reserve(payload.len());
        let status = stream.compress_vec(payload, &mut self.out, FlushCompress::Sync);
        // What does not fit does not pay; with room left, the flush is complete.
        let is_whole = status.is_ok()
            && stream.total_in() == payload.len() as u64
            && self.out.len() < self.out.capacity();
        let message = self.out.strip_suffix(&TAIL).filter(|_| is_whole)?;
        if message.len() >= payload.len() {
            return None;
        }
        self.counted.0 += 1;
        self.counted.1 += payload.len() as u64;
        self.counted.2 += message.len() as u64;
        Some(message)
    }

    /// Messages compressed since the last time, their bytes before, and their bytes after.
    pub fn take_counted(&mut self) -> (u64, u64, u64) {
        std::mem::take(&mut self.counted)
    }
}
