//! Bytes in a file that tell whether they are whole: a length and two checksums before them.
//!
//! The checksum of the length stands apart, so that a write that was cut short (kill, full disk) is never taken for one whose
//! length was damaged afterwards: the first may be cut off, the second means that something is lost.

use crc32c::crc32c;

pub use crate::fields::{Fields, put_counted};

/// Bytes before a body: its length, its checksum, and the checksum of these two; little-endian.
pub const HEAD: usize = 12;

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A body, and where the next frame begins.
    Body(&'a [u8], usize),
    /// The end of the file.
    End,
    /// The beginning of a frame that was not written to its end.
    Torn,
    /// Bytes that are not what was written.
    Bad,
}

/// Write one frame; `write` writes its body.
pub fn write(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    write(out);
    let Some((head, body)) = out
        .get_mut(start..)
        .and_then(|frame| frame.split_at_mut_checked(HEAD))
    else {
        return;
    };
    // A body is a record of at most a few messages: L7 bounds them far below.
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut fields = [0; HEAD];
    fields[..4].copy_from_slice(&len.to_le_bytes());
    fields[4..8].copy_from_slice(&crc32c(body).to_le_bytes());
    let check = crc32c(&fields[..8]);
    fields[8..].copy_from_slice(&check.to_le_bytes());
    head.copy_from_slice(&fields);
}

/// What stands at `at`.
pub fn read(bytes: &[u8], at: usize) -> Found<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return Found::End;
    }
    let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else {
        return Found::Torn;
    };
    match head_of(head) {
        None => Found::Bad,
        Some((len, check)) => match rest.get(..len) {
            None => Found::Torn,
            Some(body) if crc32c(body) == check => Found::Body(body, at + HEAD + len),
            Some(_) => Found::Bad,
        },
    }
}

/// Length and checksum of the body; `None` where they are not what was written.
fn head_of(head: &[u8; HEAD]) -> Option<(usize, u32)> {
    let (fields, own) = head.split_first_chunk::<8>()?;
    if crc32c(fields) != u32::from_le_bytes(own.try_into().ok()?) {
        return None;
    }
    let (len, check) = fields.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    Some((len, u32::from_le_bytes(check.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that was cut short is torn at every length; a changed byte anywhere makes a whole one bad, never torn.
    #[test]
    fn cut_short_and_changed_are_told_apart() {
        let mut whole = Vec::new();
        write(&mut whole, |out| put_counted(out, b"body"));
        assert_eq!(Found::Body(&whole[HEAD..], whole.len()), read(&whole, 0));
        assert_eq!(Found::End, read(&whole, whole.len()));
        for len in 1..whole.len() {
            assert_eq!(Found::Torn, read(&whole[..len], 0), "{len}");
        }
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Found::Bad, read(&changed, 0), "{bit}");
        }
        assert_eq!(Found::Bad, read(&[0; 64], 0));
    }
}
