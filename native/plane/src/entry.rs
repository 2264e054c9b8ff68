//! What a log holds: an event with its place, composed once as the message that subscribers get (M44).

use std::io::Write as _;
use std::sync::OnceLock;

use crate::frame::Opcode;
use crate::json::{escape, msgpack};

/// The form of a connection's messages (C2), and so of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// One JSON object per text message.
    Json,
    /// One msgpack map per binary message.
    Msgpack,
}

impl Encoding {
    /// What kind of WebSocket message carries it.
    pub fn opcode(self) -> Opcode {
        match self {
            Self::Json => Opcode::Text,
            Self::Msgpack => Opcode::Binary,
        }
    }
}

/// An event on its way into a log. `data` and `tags` are JSON text that somebody has checked.
#[derive(Clone, Debug, Default)]
pub struct NewEntry {
    /// Name of the event (M16).
    pub event: Box<str>,
    /// Any JSON value, passed on byte for byte.
    pub data: Box<[u8]>,
    /// Conflation key (S3).
    pub key: Option<Box<str>>,
    /// A JSON object of strings.
    pub tags: Option<Box<[u8]>>,
    /// W3C trace context (M17).
    pub traceparent: Option<Box<str>>,
    /// W3C trace context (M17).
    pub tracestate: Option<Box<str>>,
}

/// An entry in its place.
#[derive(Debug)]
pub struct Entry {
    offset: u64,
    ts: f64,
    event: Box<str>,
    key: Option<Box<str>>,
    removes: bool,
    json: Box<[u8]>,
    msgpack: OnceLock<Box<[u8]>>,
}

/// Bytes that an entry costs beside its message, about.
const OVERHEAD: usize = 160;

impl Entry {
    /// The entry `offset` of the channel whose messages begin with `head` (see [`message_head`]). `leaves` is the event name
    /// that, like `data` of `null`, takes a key out of snapshots (S6).
    pub fn compose(head: &[u8], offset: u64, ts: f64, new: NewEntry, leaves: Option<&str>) -> Self {
        let removes = &*new.data == b"null" || leaves == Some(&*new.event);
        Self {
            offset,
            ts,
            removes,
            json: message(head, offset, ts, &new),
            event: new.event,
            key: new.key,
            msgpack: OnceLock::new(),
        }
    }

    /// Its number in the log.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The server's wall clock at the append (M45).
    pub fn ts(&self) -> f64 {
        self.ts
    }

    /// Entries with the same one replace each other under `latest` (S3).
    pub fn conflation_key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.event)
    }

    /// Whether later snapshots leave its key out (S6).
    pub fn removes_key(&self) -> bool {
        self.removes
    }

    /// The `event` message as JSON text.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The `event` message in the form of a connection; msgpack is made when it is first needed.
    pub fn payload(&self, encoding: Encoding) -> &[u8] {
        match encoding {
            Encoding::Json => &self.json,
            Encoding::Msgpack => self
                .msgpack
                .get_or_init(|| to_msgpack(&self.json, self.offset)),
        }
    }

    /// Bytes it is counted with.
    pub fn size(&self) -> usize {
        self.json.len() + OVERHEAD
    }
}

/// The beginning that all messages of a channel share.
pub fn message_head(channel: &str) -> Vec<u8> {
    let mut head = br#"{"type":"event","channel":"#.to_vec();
    escape::write_str(&mut head, channel);
    head.extend_from_slice(br#","offset":"#);
    head
}

fn message(head: &[u8], offset: u64, ts: f64, new: &NewEntry) -> Box<[u8]> {
    let spare = 64 + new.event.len() + new.data.len();
    let mut out = Vec::with_capacity(head.len() + spare);
    out.extend_from_slice(head);
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{offset}");
    out.extend_from_slice(br#","event":"#);
    escape::write_str(&mut out, &new.event);
    let _ = write!(out, r#","ts":{ts}"#);
    out.extend_from_slice(br#","data":"#);
    out.extend_from_slice(&new.data);
    write_optional(&mut out, br#","key":"#, new.key.as_deref());
    if let Some(tags) = &new.tags {
        out.extend_from_slice(br#","tags":"#);
        out.extend_from_slice(tags);
    }
    write_optional(&mut out, br#","traceparent":"#, new.traceparent.as_deref());
    write_optional(&mut out, br#","tracestate":"#, new.tracestate.as_deref());
    out.push(b'}');
    out.into_boxed_slice()
}

fn write_optional(out: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(name);
        escape::write_str(out, value);
    }
}

/// An entry whose `data` was no JSON after all becomes an `error` in its place: never silence, never broken bytes.
fn to_msgpack(json: &[u8], offset: u64) -> Box<[u8]> {
    let mut out = Vec::with_capacity(json.len());
    if msgpack::transcode(json, &mut out).is_err() {
        out.clear();
        let text = format!(
            r#"{{"type":"error","code":500,"error":"internal","message":"entry {offset} cannot be written as msgpack","temporary":false}}"#
        );
        if msgpack::transcode(text.as_bytes(), &mut out).is_err() {
            out.clear();
        }
    }
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry(new: NewEntry) -> Entry {
        Entry::compose(
            &message_head("logs"),
            7,
            1_767_225_600.12,
            new,
            Some("leave"),
        )
    }

    /// M44: what is always present stands first, the rest only where the publisher gave it; `data` passes byte for byte (M11).
    #[test]
    fn an_entry_is_composed_as_the_event_message() {
        let bare = entry(NewEntry {
            event: "line".into(),
            data: b"{\"a\": 1e2}"[..].into(),
            ..NewEntry::default()
        });
        let expected = r#"{"type":"event","channel":"logs","offset":7,"event":"line","ts":1767225600.12,"data":{"a": 1e2}}"#;
        assert_eq!(expected, std::str::from_utf8(bare.json()).unwrap());
        let full = entry(NewEntry {
            event: "line".into(),
            data: b"1"[..].into(),
            key: Some("k\"".into()),
            tags: Some(b"{\"t\":\"v\"}"[..].into()),
            traceparent: Some("00-1".into()),
            tracestate: Some("x=1".into()),
        });
        let expected = r#"{"type":"event","channel":"logs","offset":7,"event":"line","ts":1767225600.12,"data":1,"key":"k\"","tags":{"t":"v"},"traceparent":"00-1","tracestate":"x=1"}"#;
        assert_eq!(expected, std::str::from_utf8(full.json()).unwrap());
    }

    /// S3, S6: the key conflates, without one the event name; `null` and the leaving event remove.
    #[test]
    fn keys_conflate_and_null_removes() {
        let named = |event: &str, data: &[u8], key: Option<&str>| {
            entry(NewEntry {
                event: event.into(),
                data: data.into(),
                key: key.map(Into::into),
                ..NewEntry::default()
            })
        };
        assert_eq!("k", named("e", b"1", Some("k")).conflation_key());
        assert_eq!("e", named("e", b"1", None).conflation_key());
        assert!(!named("e", b"0", None).removes_key());
        assert!(named("e", b"null", None).removes_key());
        assert!(named("leave", b"{}", None).removes_key());
    }
}
