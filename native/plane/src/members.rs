//! The members of an entry with its time, as a segment file holds them and as one node tells them to another.
//!
//! ```text
//! ts f64, flags u8, event, data, and those of key, tags, traceparent, tracestate that the flags say; each behind its length u32
//! ```

use crate::entry::NewEntry;
use crate::fields::{Fields, put_counted};

const KEY: u8 = 2;
const TAGS: u8 = 4;
const TRACEPARENT: u8 = 8;
const TRACESTATE: u8 = 16;
/// The flags that are taken; others are free for what surrounds the members.
pub const ALL: u8 = KEY | TAGS | TRACEPARENT | TRACESTATE;

/// What a [`NewEntry`] holds, elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Members<'a> {
    /// Name of the event.
    pub event: &'a str,
    /// JSON text.
    pub data: &'a [u8],
    /// Conflation key.
    pub key: Option<&'a str>,
    /// JSON text of an object of strings.
    pub tags: Option<&'a [u8]>,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
    /// W3C trace context.
    pub tracestate: Option<&'a str>,
}

impl From<Members<'_>> for NewEntry {
    fn from(members: Members<'_>) -> Self {
        Self {
            event: members.event.into(),
            data: members.data.into(),
            key: members.key.map(Box::from),
            tags: members.tags.map(Box::from),
            traceparent: members.traceparent.map(Box::from),
            tracestate: members.tracestate.map(Box::from),
        }
    }
}

impl NewEntry {
    /// The same, borrowed.
    pub fn members(&self) -> Members<'_> {
        Members {
            event: &self.event,
            data: &self.data,
            key: self.key.as_deref(),
            tags: self.tags.as_deref(),
            traceparent: self.traceparent.as_deref(),
            tracestate: self.tracestate.as_deref(),
        }
    }
}

/// Write them; `others` are flags besides.
pub fn write(out: &mut Vec<u8>, ts: f64, others: u8, members: &Members<'_>) {
    let optional = [
        (KEY, members.key.map(str::as_bytes)),
        (TAGS, members.tags),
        (TRACEPARENT, members.traceparent.map(str::as_bytes)),
        (TRACESTATE, members.tracestate.map(str::as_bytes)),
    ];
    let present = optional.iter().filter(|(_, bytes)| bytes.is_some());
    out.extend_from_slice(&ts.to_le_bytes());
    out.push(present.fold(others, |all, (flag, _)| all | flag));
    put_counted(out, members.event.as_bytes());
    put_counted(out, members.data);
    for bytes in optional.into_iter().filter_map(|(_, bytes)| bytes) {
        put_counted(out, bytes);
    }
}

/// Read them: the time, all flags, and what they say is there.
pub fn read<'a>(fields: &mut Fields<'a>) -> Option<(f64, u8, Members<'a>)> {
    let ts = fields.time()?;
    let flags = fields.byte()?;
    let event = fields.text()?;
    let data = fields.counted()?;
    let mut bytes = |flag| match flags & flag {
        0 => Some(None),
        _ => fields.counted().map(Some),
    };
    let text = |bytes: Option<&'a [u8]>| bytes.map(std::str::from_utf8).transpose().ok();
    let members = Members {
        event,
        data,
        key: text(bytes(KEY)?)?,
        tags: bytes(TAGS)?,
        traceparent: text(bytes(TRACEPARENT)?)?,
        tracestate: text(bytes(TRACESTATE)?)?,
    };
    Some((ts, flags, members))
}
