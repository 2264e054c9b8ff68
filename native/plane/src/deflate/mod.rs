//! permessage-deflate (RFC 7692) without context take-over: every message is compressed by itself, so one compressor and one
//! decompressor serve all connections of an I/O thread, and an idle connection has neither.

mod deflater;
mod inflater;
#[cfg(test)]
mod tests;

pub use deflater::Deflater;
pub use inflater::{Inflated, Inflater};

/// What every compressed message ends with, and what is therefore left out (§7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
