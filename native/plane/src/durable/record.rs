//! One entry as it stands in a segment file.
//!
//! ```text
//! frame   length u32, checksum u32, checksum of these u32, then the body (all little-endian)
//! body    offset u64, then the members (see `members`), and a mark behind its length u32 if the flags say so
//! ```

use crate::durable::frame::{self, Fields, Found, put_counted};
use crate::entry::NewEntry;
use crate::members;

/// The first record of a batch that was written, and under `always` synced, as one.
const STARTS_BATCH: u8 = 1;
const MARK: u8 = 32;
const _: () = assert!((STARTS_BATCH | MARK) & members::ALL == 0, "flags differ");

/// An entry with its place, and what Python asked to keep with it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number in the log.
    pub offset: u64,
    /// The wall clock of its append.
    pub ts: f64,
    /// Whether a batch begins with it.
    pub starts_batch: bool,
    /// What was published.
    pub entry: NewEntry,
    /// Opaque.
    pub mark: Option<Box<[u8]>>,
}

/// A record batch as it was encoded.
#[derive(Debug, Default)]
pub struct Encoded {
    /// Frames, one behind the other.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub count: u64,
    /// The largest `ts`.
    pub latest_ts: f64,
    /// One has a mark.
    pub has_marks: bool,
}

/// What stands at a place of a segment.
#[derive(Debug)]
pub enum Read {
    /// A record, and where the next one begins.
    Record(Box<Record>, usize),
    /// The end of the file.
    End,
    /// A record that was not written to its end.
    Torn,
    /// Not what was written.
    Bad,
}

/// How a stretch of records ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the file.
    Whole,
    /// With a record that was not written to its end.
    Torn,
    /// With something that is not what was written.
    Bad,
}

/// Records one behind the other: each with the place behind it.
#[derive(Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    end: End,
}

impl<'a> Records<'a> {
    /// From `at` on.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        let end = End::Whole;
        Self { bytes, at, end }
    }

    /// How they end; asked after the last one.
    pub fn end(&self) -> End {
        self.end
    }
}

impl Iterator for Records<'_> {
    type Item = (Box<Record>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        self.end = match read(self.bytes, self.at) {
            Read::Record(record, next) => {
                self.at = next;
                return Some((record, next));
            }
            Read::End => End::Whole,
            Read::Torn => End::Torn,
            Read::Bad => End::Bad,
        };
        None
    }
}

/// Write one record.
pub fn write(
    out: &mut Vec<u8>,
    offset: u64,
    ts: f64,
    entry: &NewEntry,
    mark: Option<&[u8]>,
    starts_batch: bool,
) {
    let own = u8::from(starts_batch) * STARTS_BATCH + u8::from(mark.is_some()) * MARK;
    frame::write(out, |out| {
        out.extend_from_slice(&offset.to_le_bytes());
        members::write(out, ts, own, &entry.members());
        if let Some(mark) = mark {
            put_counted(out, mark);
        }
    });
}

/// Read the record at `at`.
pub fn read(bytes: &[u8], at: usize) -> Read {
    match frame::read(bytes, at) {
        Found::End => Read::End,
        Found::Torn => Read::Torn,
        Found::Bad => Read::Bad,
        Found::Body(body, next) => {
            parse(body).map_or(Read::Bad, |record| Read::Record(Box::new(record), next))
        }
    }
}

fn parse(body: &[u8]) -> Option<Record> {
    let mut fields = Fields(body);
    let offset = fields.number()?;
    let (ts, flags, entry) = members::read(&mut fields)?;
    let mark = match flags & MARK {
        0 => None,
        _ => Some(fields.counted()?),
    };
    Some(Record {
        offset,
        ts,
        starts_batch: flags & STARTS_BATCH != 0,
        entry: entry.into(),
        mark: mark.map(Box::from),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;
    use crate::content::{Content, OwnContent};

    /// What is read back is what was written, whichever members it has.
    #[test]
    fn a_record_comes_back_as_it_went() {
        for members in 0..32_u8 {
            let text =
                |flag: u8| (members & flag != 0).then(|| Box::<str>::from(format!("t{flag}")));
            let entry = NewEntry {
                event: "e".into(),
                data: b"{}"[..].into(),
                key: text(1),
                tags: text(2).map(|text| text.as_bytes().into()),
                traceparent: text(4),
                tracestate: text(8),
                content: (members & 2 == 0).then(|| {
                    Box::new(OwnContent::from(Content {
                        media_type: "image/png",
                        encoding: None,
                        meta: (members & 4 == 0).then_some(b"{}"),
                    }))
                }),
                marks: None,
            };
            let mark = (members & 16 != 0).then_some(&b"\x00m"[..]);
            let mut out = Vec::new();
            write(&mut out, 7, 1.5, &entry, mark, members & 1 == 0);
            let Read::Record(back, next) = read(&out, 0) else {
                panic!("a record was expected");
            };
            assert_eq!(out.len(), next);
            assert_eq!(
                (7, 1.5, members & 1 == 0),
                (back.offset, back.ts, back.starts_batch)
            );
            assert_eq!(format!("{entry:?}"), format!("{:?}", back.entry));
            assert_eq!(mark, back.mark.as_deref());
        }
    }
}
