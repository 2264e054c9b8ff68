//! Names and first frames of the files of a history.
//!
//! ```text
//! manifest                     see `manifest`
//! tip                          see `tip`
//! 00000000000000000001.log     a segment: its head frame, then the records from offset 1 on, without gaps
//! 00000000000000000901.log     the next one
//! 00000000000000000900.keys    of a `last_per_key` channel: what was the newest of its key when segments up to 900 went
//! ```

use crate::durable::frame::{self, Fields, Found, put_counted};
use crate::durable::tip;

const MAGIC: &[u8] = b"nglog\x01";
const LOG: &str = ".log";
const KEYS: &str = ".keys";
const FRESH: &str = ".new";
const DIGITS: usize = 20;

/// What a file of a history is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records from this offset on.
    Segment(u64),
    /// Newest records of keys up to this offset.
    Keys(u64),
    /// How far the history goes.
    Tip,
    /// Something that was not finished.
    Fresh,
    /// The manifest, or nothing of ours.
    Other,
}

/// What the name of a file says.
pub fn kind_of(name: &str) -> Kind {
    let number = |text: &str| text.parse().ok().filter(|_| text.len() == DIGITS);
    if name.ends_with(FRESH) {
        return Kind::Fresh;
    }
    if name == tip::FILE {
        return Kind::Tip;
    }
    let segment = name.strip_suffix(LOG).and_then(number).map(Kind::Segment);
    let keys = || name.strip_suffix(KEYS).and_then(number).map(Kind::Keys);
    segment.or_else(keys).unwrap_or(Kind::Other)
}

/// The name of the segment that begins with `base`.
pub fn segment_name(base: u64) -> String {
    format!("{base:0DIGITS$}{LOG}")
}

/// The name of the newest records of keys up to `upto`, and the one it has while it is written.
pub fn keys_names(upto: u64) -> (String, String) {
    let name = format!("{upto:0DIGITS$}{KEYS}");
    let fresh = format!("{name}{FRESH}");
    (name, fresh)
}

/// One segment file.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Offset of its first record.
    pub base: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// The largest `ts` of its records and of all before.
    pub latest_ts: f64,
    /// One of its records has a mark.
    pub has_marks: bool,
    /// All of it is known to survive a loss of power.
    pub is_synced: bool,
}

/// The first frame of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The history it belongs to.
    pub epoch: Box<str>,
    /// As the name says.
    pub number: u64,
    /// The largest `ts` before its first record.
    pub latest_ts: f64,
    /// Of a file of newest records.
    pub newest: Option<Newest>,
}

/// What a file of newest records says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// Those of keys up to this offset may be lacking.
    pub forgotten: u64,
    /// How many records it has; version 1 did not say.
    pub count: Option<u64>,
}

impl Newest {
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.forgotten.to_le_bytes());
        out.extend_from_slice(&self.count.unwrap_or(0).to_le_bytes());
    }

    /// In version 1 one byte said that keys were lacking.
    fn parse(fields: &mut Fields<'_>, upto: u64) -> Option<Self> {
        if fields.0 == [1] {
            return Some(Self {
                forgotten: upto,
                count: None,
            });
        }
        Some(Self {
            forgotten: fields.number()?,
            count: Some(fields.number()?),
        })
    }
}

impl Head {
    /// Write it.
    pub fn write(&self, out: &mut Vec<u8>) {
        frame::write(out, |out| {
            out.extend_from_slice(MAGIC);
            out.extend_from_slice(&self.number.to_le_bytes());
            out.extend_from_slice(&self.latest_ts.to_le_bytes());
            put_counted(out, self.epoch.as_bytes());
            if let Some(newest) = self.newest {
                newest.put(out);
            }
        });
    }

    /// Read it: with the place of the first record, `Err(true)` if it was not written to its end, `Err(false)` if it is wrong.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), bool> {
        match frame::read(bytes, 0) {
            Found::Body(body, next) => Self::parse(body).map(|head| (head, next)).ok_or(false),
            Found::End | Found::Torn => Err(true),
            Found::Bad => Err(false),
        }
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body.strip_prefix(MAGIC)?);
        let (number, latest_ts) = (fields.number()?, fields.time()?);
        let epoch = fields.text()?.into();
        let newest = match fields.0 {
            [] => None,
            _ => Some(Newest::parse(&mut fields, number)?),
        };
        Some(Self {
            epoch,
            number,
            latest_ts,
            newest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file says what it is; what is not ours is left alone.
    #[test]
    fn names_say_what_a_file_is() {
        assert_eq!(Kind::Segment(901), kind_of(&segment_name(901)));
        let (keys, fresh) = keys_names(900);
        assert_eq!(
            (Kind::Keys(900), Kind::Fresh),
            (kind_of(&keys), kind_of(&fresh))
        );
        assert_eq!(Kind::Tip, kind_of("tip"));
        for other in ["manifest", "1.log", "notes.txt", "0000000000000000000x.log"] {
            assert_eq!(Kind::Other, kind_of(other));
        }
    }

    /// A file of newest records says what it lacks; one of version 1 said only whether something was lacking.
    #[test]
    fn newest_records_say_what_they_lack() {
        let head = |newest| Head {
            epoch: "e".into(),
            number: 900,
            latest_ts: 1.0,
            newest,
        };
        let read = |bytes: &[u8]| Head::read(bytes).map(|(head, _)| head.newest);
        let mut bytes = Vec::new();
        head(None).write(&mut bytes);
        assert_eq!(Ok(None), read(&bytes));
        let body = [&bytes[frame::HEAD..], &[1]].concat();
        bytes.clear();
        frame::write(&mut bytes, |out| out.extend_from_slice(&body));
        let newest = |forgotten, count| Some(Newest { forgotten, count });
        assert_eq!(Ok(newest(900, None)), read(&bytes));
        bytes.clear();
        head(newest(7, Some(3))).write(&mut bytes);
        assert_eq!(Ok(newest(7, Some(3))), read(&bytes));
    }
}
