//! One entry with its time as bytes: what a node hands to the store, and every node reads from it (N3, N7).
//!
//! ```text
//! length u32 of all that follows, version u8, then the members (see `members`); little-endian
//! ```
//! Each says where it ends, so that several may stand one after the other. What cannot be read, or breaks a rule that holds for
//! every entry of this node, is refused as a whole (N17): one bad entry would break the stream of every subscriber.

use std::fmt;

use crate::fields::Fields;
use crate::members::{self, Members};
use crate::rules::{self, Breach};

pub use crate::rules::is_time;

const VERSION: u8 = 1;

/// Bytes of an entry that nobody makes: `data`, and the little that stands around it.
const MAX_ENTRY: usize = rules::MAX_DATA + (64 << 10);

/// An entry as another node made it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packed<'a> {
    /// The wall clock of the node that took it.
    pub ts: f64,
    /// What was published.
    pub members: Members<'a>,
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
