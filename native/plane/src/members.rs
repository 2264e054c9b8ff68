//! The members of an entry with its time, as a segment file holds them and as one node tells them to another.
//!
//! ```text
//! ts f64, flags u8, event, data, and those of key, tags, traceparent, tracestate, content that the flags say; each behind its
//! length u32
//! content  media type behind its length u32, number of the encoding u8 (0: none), meta (the rest; nothing: none)
//! ```

use crate::content::{Content, ContentEncoding, OwnContent};
use crate::entry::NewEntry;
use crate::fields::{Fields, put_counted};

const KEY: u8 = 2;
const TAGS: u8 = 4;
const TRACEPARENT: u8 = 8;
const TRACESTATE: u8 = 16;
const CONTENT: u8 = 64;
/// The flags that are taken; others are free for what surrounds the members.
pub const ALL: u8 = KEY | TAGS | TRACEPARENT | TRACESTATE | CONTENT;

/// What a [`NewEntry`] holds, elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Members<'a> {
    /// Name of the event.
    pub event: &'a str,
    /// JSON text, or the payload of `content`.
    pub data: &'a [u8],
    /// Conflation key.
    pub key: Option<&'a str>,
    /// JSON text of an object of strings.
    pub tags: Option<&'a [u8]>,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
    /// W3C trace context.
    pub tracestate: Option<&'a str>,
    /// What `data` is, where the publisher said it.
    pub content: Option<Content<'a>>,
}

impl Members<'_> {
    /// Whether `data` is JSON text (B9).
    pub fn has_data(&self) -> bool {
        self.content.is_none_or(|content| content.is_data())
    }
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
            content: members
                .content
                .map(|content| Box::new(OwnContent::from(content))),
            marks: None,
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
            content: self.content.as_deref().map(OwnContent::as_content),
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
    let others = others | members.content.map_or(0, |_| CONTENT);
    out.extend_from_slice(&ts.to_le_bytes());
    out.push(present.fold(others, |all, (flag, _)| all | flag));
    put_counted(out, members.event.as_bytes());
    put_counted(out, members.data);
    for bytes in optional.into_iter().filter_map(|(_, bytes)| bytes) {
        put_counted(out, bytes);
    }
    if let Some(content) = &members.content {
        put_counted(out, &content_bytes(content));
    }
}

fn content_bytes(content: &Content<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_counted(&mut bytes, content.media_type.as_bytes());
    bytes.push(content.encoding.map_or(0, |encoding| encoding as u8));
    bytes.extend_from_slice(content.meta.unwrap_or_default());
    bytes
}

fn content_of(bytes: &[u8]) -> Option<Content<'_>> {
    let mut fields = Fields(bytes);
    let media_type = fields.text()?;
    let encoding = match fields.byte()? {
        0 => None,
        number => Some(ContentEncoding::numbered(number)?),
    };
    Some(Content {
        media_type,
        encoding,
        meta: Some(fields.0).filter(|meta| !meta.is_empty()),
    })
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
        content: match bytes(CONTENT)? {
            None => None,
            Some(bytes) => Some(content_of(bytes)?),
        },
    };
    Some((ts, flags, members))
}
