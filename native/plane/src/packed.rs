//! One entry with its time as bytes: what a node hands to the store, and every node reads from it (N3, N7).
//!
//! ```text
//! length u32 of all that follows, version u8, then the members (see `members`); little-endian
//! ```
//! Each says where it ends, so that several may stand one after the other. What cannot be read, or breaks a rule that holds for
//! every entry of this node, is refused as a whole (N17): one bad entry would break the stream of every subscriber.

use std::fmt;
use std::sync::Arc;

use crate::entry::{Composer, Entry, Timestamp};
use crate::fields::Fields;
use crate::members::{self, Members};
use crate::rules::{self, Breach};

pub use crate::rules::is_time;

const VERSION: u8 = 1;

/// Bytes of an entry that nobody makes: `data`, and the little that stands around it, of which `meta` is half.
const MAX_ENTRY: usize = rules::MAX_DATA + (64 << 10);

/// An entry as another node made it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packed<'a> {
    /// The wall clock of the node that took it.
    pub ts: f64,
    /// What was published.
    pub members: Members<'a>,
}

/// Entries as they stand in a log, each with the offset that it has there.
pub fn compose<'a, 'b: 'a>(
    composer: &Composer,
    placed: impl Iterator<Item = (u64, &'a Packed<'b>)>,
) -> Vec<Arc<Entry>> {
    // Most have the time of the one before.
    let mut time = Timestamp::new(0.0);
    let entries = placed.map(|(offset, Packed { ts, members })| {
        if ts.to_bits() != time.seconds().to_bits() {
            time = Timestamp::new(*ts);
        }
        Arc::new(composer.entry_of(offset, &time, members))
    });
    entries.collect()
}

/// Which of several entries is refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The first is 0.
    pub number: usize,
    fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Cut,
    More,
    Version(u8),
    Form,
    Time,
    TooLarge,
    Rule(Breach),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}: ", self.number)?;
        match &self.fault {
            Fault::Cut => f.write_str("expected more bytes"),
            Fault::More => f.write_str("expected no more bytes behind it"),
            Fault::Version(came) => write!(f, "expected version {VERSION}, got {came}"),
            Fault::Form => f.write_str("expected the members that its flags name, in UTF-8"),
            Fault::Time => f.write_str("ts: expected seconds of a wall clock"),
            Fault::TooLarge => write!(f, "expected at most {MAX_ENTRY} bytes"),
            Fault::Rule(breach) => breach.fmt(f),
        }
    }
}

/// Append one entry to `out`, unless another node would refuse it.
///
/// `number` is what it is called by where it is refused.
pub fn pack(
    out: &mut Vec<u8>,
    ts: f64,
    members: &Members<'_>,
    number: usize,
) -> Result<(), Refused> {
    check(ts, members).map_err(|fault| Refused { number, fault })?;
    pack_checked(out, ts, members);
    Ok(())
}

/// The same for members that were checked before, one by one.
pub fn pack_checked(out: &mut Vec<u8>, ts: f64, members: &Members<'_>) {
    let start = out.len();
    let all = [
        members.event.len(),
        members.data.len(),
        members.key.map_or(0, str::len),
        members.tags.map_or(0, <[u8]>::len),
        members.traceparent.map_or(0, str::len),
        members.tracestate.map_or(0, str::len),
        members.content.map_or(0, |one| {
            one.media_type.len() + one.meta.map_or(0, <[u8]>::len) + 9
        }),
    ];
    out.reserve(all.iter().sum::<usize>() + 40);
    out.extend_from_slice(&[0, 0, 0, 0, VERSION]);
    members::write(out, ts, 0, members);
    // At most `MAX_ENTRY`.
    let len = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&len.to_le_bytes());
    }
}

/// All entries that `bytes` consist of.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Packed<'_>>, Refused> {
    let mut rest = Fields(bytes);
    let mut entries = Vec::new();
    while !rest.0.is_empty() {
        let number = entries.len();
        let entry = next(&mut rest).map_err(|fault| Refused { number, fault })?;
        entries.push(entry);
    }
    Ok(entries)
}

/// The one entry that `bytes` consist of, called by its `number` where it is refused.
pub fn unpack_one(bytes: &[u8], number: usize) -> Result<Packed<'_>, Refused> {
    let mut rest = Fields(bytes);
    let entry = match next(&mut rest) {
        Ok(entry) if rest.0.is_empty() => Ok(entry),
        Ok(_) => Err(Fault::More),
        Err(fault) => Err(fault),
    };
    entry.map_err(|fault| Refused { number, fault })
}

fn next<'a>(rest: &mut Fields<'a>) -> Result<Packed<'a>, Fault> {
    let len = rest.len32().ok_or(Fault::Cut)?;
    if len > MAX_ENTRY {
        return Err(Fault::TooLarge);
    }
    let mut fields = Fields(rest.bytes(len).ok_or(Fault::Cut)?);
    match fields.byte() {
        Some(VERSION) => {}
        Some(other) => return Err(Fault::Version(other)),
        None => return Err(Fault::Cut),
    }
    let (ts, flags, members) = members::read(&mut fields).ok_or(Fault::Form)?;
    if flags & !members::ALL != 0 || !fields.0.is_empty() {
        return Err(Fault::Form);
    }
    check(ts, &members)?;
    Ok(Packed { ts, members })
}

fn check(ts: f64, members: &Members<'_>) -> Result<(), Fault> {
    if !rules::is_time(ts) {
        return Err(Fault::Time);
    }
    rules::check(members).map_err(Fault::Rule)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::content::{Content, ContentEncoding, OwnContent};
    use crate::entry::NewEntry;

    const TRACE: &str = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01";

    fn data() -> impl Strategy<Value = Box<[u8]>> {
        let text = prop_oneof![
            Just("null".to_owned()),
            any::<f64>().prop_map(|number| serde_json::json!(number).to_string()),
            any::<String>().prop_map(|text| serde_json::json!({ "a": [text, true] }).to_string()),
        ];
        text.prop_map(|text| text.into_bytes().into())
    }

    fn entry() -> impl Strategy<Value = (f64, NewEntry)> {
        let tags = prop::collection::btree_map("[A-Za-z0-9_.-]{1,9}", any::<String>(), 0..4);
        let tags = tags.prop_filter("256 bytes at most", |tags| {
            tags.values().all(|value| value.len() <= 256)
        });
        let trace = prop::option::of(prop::option::of("[ -~]{1,20}"));
        let key = prop::option::of("\\PC{1,20}");
        let content = prop::option::of((
            prop::sample::select(
                &[
                    "image/jpeg",
                    "application/json",
                    "text/plain; charset=\"x;y\"",
                ][..],
            ),
            prop::sample::select(
                &[
                    None,
                    Some(ContentEncoding::Gzip),
                    Some(ContentEncoding::Deflate),
                ][..],
            ),
            prop::sample::select(&[None, Some("{}"), Some("{\"width\":7}")][..]),
        ));
        let event = "[A-Za-z0-9_:-]{1,9}(\\.[a-z]{1,5}){0,3}";
        (
            -1e10..1e10,
            event,
            data(),
            key,
            prop::option::of(tags),
            trace,
            content,
        )
            .prop_map(|(ts, event, data, key, tags, trace, content)| {
                let content = content.map(|(media_type, encoding, meta)| {
                    let meta = meta.map(str::as_bytes);
                    let content = Content {
                        media_type,
                        encoding,
                        meta,
                    };
                    Box::new(OwnContent::from(content))
                });
                let tags = tags.map(|tags| serde_json::to_vec(&tags).unwrap().into());
                let traceparent = trace.is_some().then(|| TRACE.into());
                let tracestate = trace.flatten().map(Into::into);
                let (event, key) = (event.into(), key.map(Into::into));
                (
                    ts,
                    NewEntry {
                        event,
                        data,
                        key,
                        tags,
                        traceparent,
                        tracestate,
                        content,
                        marks: None,
                    },
                )
            })
    }

    fn packed(entries: &[(f64, NewEntry)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, (ts, one)) in entries.iter().enumerate() {
            pack(&mut bytes, *ts, &one.members(), number).unwrap();
        }
        bytes
    }

    fn again(entries: &[Packed<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for one in entries {
            pack(&mut bytes, one.ts, &one.members, 0).expect("what was read can be written");
        }
        bytes
    }

    proptest! {
        /// N7: what is read is what was written, however many stand one after the other, and one says where it ends.
        #[test]
        fn entries_come_back_as_they_went(entries in prop::collection::vec(entry(), 0..6)) {
            let bytes = packed(&entries);
            let back = unpack(&bytes).unwrap();
            let given: Vec<Packed<'_>> = entries
                .iter()
                .map(|(ts, one)| Packed { ts: *ts, members: one.members() })
                .collect();
            prop_assert_eq!(&given, &back);
            prop_assert_eq!(entries.len() == 1, unpack_one(&bytes, 0).is_ok());
        }

        /// N17: whatever comes, it is refused, or it is entries that have no other form.
        #[test]
        fn arbitrary_bytes_are_refused_or_entries(
            entries in prop::collection::vec(entry(), 0..3),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
            more in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = packed(&entries);
            bytes.truncate(cut.index(bytes.len() + 1));
            bytes.extend(more);
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            if let Ok(entries) = unpack(&bytes) {
                prop_assert_eq!(&bytes, &again(&entries));
            }
        }
    }

    fn refusal(bytes: &[u8]) -> String {
        unpack(bytes).unwrap_err().to_string()
    }

    /// N17: what it is that cannot be read is said; a size that is only declared costs nothing.
    #[test]
    fn what_cannot_be_read_is_said() {
        let one = NewEntry {
            event: "e".into(),
            data: b"1"[..].into(),
            ..NewEntry::default()
        };
        let good = packed(&[(1.5, one)]);
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let behind = [&good[..], &changed(4, 9)].concat();
        assert_eq!("entry 1: expected version 1, got 9", refusal(&behind));
        assert_eq!(
            "entry 0: expected more bytes",
            refusal(&good[..good.len() - 1])
        );
        assert_eq!("entry 0: expected more bytes", refusal(&changed(2, 1)[..]));
        let text = format!("entry 0: expected at most {MAX_ENTRY} bytes");
        assert_eq!(text, refusal(&changed(3, 0xff)));
        let form = "entry 0: expected the members that its flags name, in UTF-8";
        // A flag that nothing has, one whose member is missing, a length beyond the end, a name that is no text.
        for bytes in [
            changed(13, 1),
            changed(13, 2),
            changed(14, 200),
            changed(18, 0xff),
        ] {
            assert_eq!(form, refusal(&bytes));
        }
        let longer = [&[good[0] + 1, 0, 0, 0], &good[4..], &[0]].concat();
        assert_eq!(form, refusal(&longer));
        let ts = [&good[..5], &f64::NAN.to_le_bytes(), &good[13..]].concat();
        assert_eq!(
            "entry 0: ts: expected seconds of a wall clock",
            refusal(&ts)
        );
        let data = changed(good.len() - 1, b'{');
        let text = "entry 0: data: expected a key in quotes at byte 1";
        assert_eq!(text, refusal(&data));
        let both = good.repeat(2);
        let text = unpack_one(&both, 7).unwrap_err().to_string();
        assert_eq!("entry 7: expected no more bytes behind it", text);
    }
}
