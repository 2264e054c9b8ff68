//! Payloads as they were before they were encoded (B7), bounded.

use flate2::{Decompress, FlushDecompress, Status};

use super::ContentEncoding;

/// Members of one gzip payload.
const MAX_MEMBERS: usize = 1_024;

/// Bytes of output that are reserved at once.
const STEP: usize = 16 << 10;

/// Why a payload was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecoded {
    /// It is longer than asked for.
    TooLarge,
    /// What was expected of it.
    Corrupt(&'static str),
}

/// All of a payload that is at most `limit` bytes long; no more than that is ever reserved.
pub fn decode(
    encoding: ContentEncoding,
    payload: &[u8],
    limit: usize,
) -> Result<Vec<u8>, Undecoded> {
    let mut out = Vec::new();
    let mut rest = payload;
    let most = match encoding {
        ContentEncoding::Gzip => MAX_MEMBERS,
        ContentEncoding::Zlib | ContentEncoding::Deflate => 1,
    };
    for _ in 0..most {
        let mut stream = match encoding {
            ContentEncoding::Gzip => Decompress::new_gzip(15),
            ContentEncoding::Zlib => Decompress::new(true),
            ContentEncoding::Deflate => Decompress::new(false),
        };
        rest = decode_stream(&mut stream, rest, &mut out, limit)?;
        if rest.is_empty() {
            return Ok(out);
        }
    }
    Err(Undecoded::Corrupt(
        "expected the end of the payload, came more",
    ))
}

/// One stream from its beginning to its end; what follows it.
fn decode_stream<'p>(
    stream: &mut Decompress,
    payload: &'p [u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<&'p [u8], Undecoded> {
    let mut rest = payload;
    loop {
        if out.len() == out.capacity() {
            let most = limit.saturating_add(1).saturating_sub(out.len());
            out.reserve_exact(out.len().max(STEP).min(most));
        }
        let (used, made) = (stream.total_in(), out.len());
        let Ok(status) = stream.decompress_vec(rest, out, FlushDecompress::None) else {
            return Err(Undecoded::Corrupt(
                "expected other bytes, or another checksum",
            ));
        };
        if out.len() > limit {
            return Err(Undecoded::TooLarge);
        }
        let used = usize::try_from(stream.total_in() - used).unwrap_or(usize::MAX);
        rest = rest.get(used..).unwrap_or_default();
        if status == Status::StreamEnd {
            return Ok(rest);
        }
        if used == 0 && out.len() == made && out.len() < out.capacity() {
            return Err(Undecoded::Corrupt("expected more bytes"));
        }
    }
}
