//! What a log holds: an event with its place, composed once as the message that subscribers get (M44).

use std::borrow::Cow;
use std::sync::Arc;

use crate::content::{Content, Message, OwnContent, Payload, is_null};
use crate::form::Form;
use crate::frame::Opcode;
use crate::json::{escape, msgpack};
use crate::marks::Marks;
use crate::members::Members;

/// The form of a connection's messages (C2), and so of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// An event on its way into a log. `data` (unless `content` says otherwise) and `tags` are JSON text that somebody has checked.
#[derive(Clone, Debug, Default)]
pub struct NewEntry {
    /// Name of the event (M16).
    pub event: Box<str>,
    /// Any JSON value, or the payload of `content`; passed on byte for byte.
    pub data: Box<[u8]>,
    /// Conflation key (S3).
    pub key: Option<Box<str>>,
    /// A JSON object of strings.
    pub tags: Option<Box<[u8]>>,
    /// W3C trace context (M17).
    pub traceparent: Option<Box<str>>,
    /// W3C trace context (M17).
    pub tracestate: Option<Box<str>>,
    /// What `data` is, where that is no plain JSON or the publisher said more of it (B4, B5).
    pub content: Option<Box<OwnContent>>,
    /// Where members of `data` stand, of a signal that was written natively: what filters know without reading around them.
    pub marks: Option<Box<Marks>>,
}

/// An entry in its place.
#[derive(Debug)]
pub struct Entry {
    offset: u64,
    ts: f64,
    event: Name,
    key: Option<Box<str>>,
    removes: bool,
    /// The message; without `data` where there is a payload.
    json: Vec<u8>,
    payload: Option<Box<Payload>>,
    marks: Option<Box<Marks>>,
}

/// The name of an event: where it stands in the message, or, if it stands there escaped, what it is.
#[derive(Debug)]
enum Name {
    There { from: u32, to: u32 },
    Apart(Box<str>),
}

/// A `ts`, and how it is written; the same for all entries of one append.
#[derive(Clone, Debug)]
pub struct Timestamp {
    seconds: f64,
    text: String,
}

impl Timestamp {
    /// Seconds of the wall clock; finite.
    pub fn new(seconds: f64) -> Self {
        Self {
            seconds,
            text: seconds.to_string(),
        }
    }

    /// Seconds of the wall clock.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// Bytes that an entry costs beside its message, about.
const OVERHEAD: usize = 160;

impl Entry {
    /// Its number in the log.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The server's wall clock at the append (M45).
    pub fn ts(&self) -> f64 {
        self.ts
    }

    /// The name of the event.
    pub fn event(&self) -> &str {
        match &self.event {
            Name::There { from, to } => {
                let name = self.json.get(*from as usize..*to as usize);
                std::str::from_utf8(name.unwrap_or_default()).unwrap_or_default()
            }
            Name::Apart(name) => name,
        }
    }

    /// The key that its publisher gave it.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Entries with the same one replace each other under `latest` (S3).
    pub fn conflation_key(&self) -> &str {
        self.key.as_deref().unwrap_or_else(|| self.event())
    }

    /// Whether later snapshots leave its key out (S6).
    pub fn removes_key(&self) -> bool {
        self.removes
    }

    /// Where the members of a signal stand in that text, where it was told by whoever wrote it.
    pub fn marks(&self) -> Option<&Marks> {
        self.marks.as_deref()
    }

    /// The `event` message as JSON text, as it stands here: without `data` where there is a payload.
    pub fn head(&self) -> &[u8] {
        &self.json
    }

    /// Bytes of `data` where that is JSON that [`Self::json`] has to decode first; else none.
    pub fn hidden(&self) -> usize {
        let payload = self.payload.as_ref().filter(|one| one.hides_data());
        payload.map_or(0, |one| one.len())
    }

    /// That `data` decoded, made once for all who hold it at the same time.
    pub fn decoded(&self) -> Option<Arc<Vec<u8>>> {
        self.payload.as_ref()?.data()
    }

    /// The `event` message as JSON text, with `data` if that is JSON.
    pub fn json(&self) -> Cow<'_, [u8]> {
        match &self.payload {
            None => Cow::Borrowed(&self.json),
            Some(payload) => payload.text(&self.json),
        }
    }

    /// The `event` message in the form of a view. The log pays for the JSON, or the payload, alone: other forms are made for
    /// each view, and again for each replay, and kept nowhere else.
    pub fn message(&self, form: Form) -> Message<'_> {
        if let Some(payload) = &self.payload {
            return payload.message(&self.json, form);
        }
        Message {
            opcode: form.encoding.opcode(),
            payload: match form.encoding {
                Encoding::Json => Cow::Borrowed(&*self.json),
                Encoding::Msgpack => Cow::Owned(to_msgpack(&self.json, self.offset)),
            },
            is_compressible: true,
        }
    }

    /// Whether its messages differ by what their receivers decode themselves.
    pub fn is_encoded(&self) -> bool {
        self.payload.as_ref().is_some_and(|one| one.is_encoded())
    }

    /// Bytes it is counted with.
    pub fn size(&self) -> usize {
        let payload = self.payload.as_ref().map_or(0, |one| one.len());
        let marks = self.marks.as_ref().map_or(0, |_| size_of::<Marks>());
        self.json.len() + payload + marks + OVERHEAD
    }
}

/// What makes the entries of one channel.
#[derive(Clone, Debug)]
pub struct Composer {
    /// The beginning that all messages share.
    head: Arc<[u8]>,
    /// The event that, like `data` of `null`, takes a key out of snapshots (S6).
    leaves: Option<&'static str>,
}

impl Composer {
    /// That of `channel`.
    pub fn new(channel: &str) -> Self {
        let mut head = br#"{"type":"event","channel":"#.to_vec();
        escape::write_str(&mut head, channel);
        head.extend_from_slice(br#","offset":"#);
        let leaves = channel == "connections" || channel.ends_with("/presence");
        Self {
            head: head.into(),
            // S6 asks it of `connections`; presence companions (C25) have the same events.
            leaves: leaves.then_some("leave"),
        }
    }

    /// The entry `offset`.
    pub fn entry(&self, offset: u64, ts: &Timestamp, new: NewEntry) -> Entry {
        let members = new.members();
        let Written { json, event, data } = message(&self.head, offset, &ts.text, &members);
        // A payload that is no plain JSON is not where it was written.
        let marks = new.marks.as_deref().filter(|_| members.content.is_none());
        let marks = marks.and_then(|marks| marks.behind(data).map(Box::new));
        Entry {
            offset,
            ts: ts.seconds,
            removes: removes(&members, self.leaves),
            json,
            marks,
            payload: match &new.content {
                Some(content) => payload(&content.as_content(), || new.data),
                None => None,
            },
            event,
            key: new.key,
        }
    }

    /// The entry `offset` of members that stand elsewhere.
    pub fn entry_of(&self, offset: u64, ts: &Timestamp, members: &Members<'_>) -> Entry {
        let Written { json, event, .. } = message(&self.head, offset, &ts.text, members);
        Entry {
            offset,
            ts: ts.seconds,
            removes: removes(members, self.leaves),
            json,
            marks: None,
            payload: members
                .content
                .and_then(|content| payload(&content, || members.data.into())),
            event,
            key: members.key.map(Box::from),
        }
    }
}

/// The payload that an entry has beside its message.
fn payload(content: &Content<'_>, bytes: impl FnOnce() -> Box<[u8]>) -> Option<Box<Payload>> {
    (!content.is_data()).then(|| Box::new(Payload::new(bytes(), content)))
}

/// S6.
fn removes(members: &Members<'_>, leaves: Option<&str>) -> bool {
    let is_null = match &members.content {
        None => members.data == b"null",
        Some(content) => is_null(members.data, content),
    };
    is_null || leaves == Some(members.event)
}

/// A message, the name of its event, and where `data` begins in it.
struct Written {
    json: Vec<u8>,
    event: Name,
    data: usize,
}

fn message(head: &[u8], offset: u64, ts: &str, new: &Members<'_>) -> Written {
    let texts = [new.key, new.traceparent, new.tracestate];
    let optional = texts.map(|text| text.map_or(0, |text| text.len() + 20));
    let tags = new.tags.map_or(0, |tags| tags.len() + 8);
    let data = if new.has_data() { new.data } else { b"" };
    let content = new.content.map_or(0, |content| {
        content.media_type.len() + content.meta.map_or(0, <[u8]>::len) + 64
    });
    let fixed = head.len() + new.event.len() + ts.len() + data.len() + 56 + content;
    // Enough unless something is escaped.
    let mut out = Vec::with_capacity(fixed + tags + optional.iter().sum::<usize>());
    out.extend_from_slice(head);
    write_number(&mut out, offset);
    out.extend_from_slice(br#","event":"#);
    let event = write_name(&mut out, new.event);
    out.extend_from_slice(br#","ts":"#);
    out.extend_from_slice(ts.as_bytes());
    if new.has_data() {
        out.extend_from_slice(br#","data":"#);
    }
    let data_at = out.len();
    out.extend_from_slice(data);
    write_optional(&mut out, br#","key":"#, new.key);
    if let Some(tags) = new.tags {
        out.extend_from_slice(br#","tags":"#);
        out.extend_from_slice(tags);
    }
    write_optional(&mut out, br#","traceparent":"#, new.traceparent);
    write_optional(&mut out, br#","tracestate":"#, new.tracestate);
    if let Some(content) = &new.content {
        write_content(&mut out, content);
    }
    out.push(b'}');
    Written {
        json: out,
        event,
        data: data_at,
    }
}

fn write_name(out: &mut Vec<u8>, name: &str) -> Name {
    let from = out.len() + 1;
    escape::write_str(out, name);
    let to = out.len() - 1;
    match (u32::try_from(from), u32::try_from(to)) {
        (Ok(from), Ok(to)) if (to - from) as usize == name.len() => Name::There { from, to },
        _ => Name::Apart(name.into()),
    }
}

/// The encoding comes last: who gets the payload decoded is not told of it.
fn write_content(out: &mut Vec<u8>, content: &Content<'_>) {
    write_optional(out, br#","content_type":"#, Some(content.media_type));
    if let Some(meta) = content.meta {
        out.extend_from_slice(br#","meta":"#);
        out.extend_from_slice(meta);
    }
    if let Some(encoding) = content.encoding {
        Payload::write_encoding(encoding, out);
    }
}

/// Decimal digits, without the machinery of formatting: this runs for every entry.
pub fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        first = at;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

fn write_optional(out: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(name);
        escape::write_str(out, value);
    }
}

/// An entry whose `data` was no JSON after all becomes an `error` in its place: never silence, never broken bytes.
fn to_msgpack(json: &[u8], offset: u64) -> Vec<u8> {
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
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry_in(channel: &str, new: NewEntry) -> Entry {
        let (composer, ts) = (Composer::new(channel), Timestamp::new(1_767_225_600.12));
        let other = composer.entry_of(7, &ts, &new.members());
        let entry = composer.entry(7, &ts, new);
        assert_eq!(format!("{entry:?}"), format!("{other:?}"));
        entry
    }

    fn entry(new: NewEntry) -> Entry {
        entry_in("logs", new)
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
        assert_eq!(expected, std::str::from_utf8(&bare.json()).unwrap());
        let full = entry(NewEntry {
            event: "line".into(),
            data: b"1"[..].into(),
            key: Some("k\"".into()),
            tags: Some(b"{\"t\":\"v\"}"[..].into()),
            traceparent: Some("00-1".into()),
            tracestate: Some("x=1".into()),
            content: None,
            marks: None,
        });
        let expected = r#"{"type":"event","channel":"logs","offset":7,"event":"line","ts":1767225600.12,"data":1,"key":"k\"","tags":{"t":"v"},"traceparent":"00-1","tracestate":"x=1"}"#;
        assert_eq!(expected, std::str::from_utf8(&full.json()).unwrap());
    }

    /// P2: an offset is decimal without leading zeros, however large.
    #[test]
    fn numbers_are_written_as_they_are() {
        for number in [0, 7, 10, 9_007_199_254_740_991, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(number.to_string(), String::from_utf8(out).unwrap());
        }
    }

    /// S3, S6: the key conflates, without one the event name; `null` and the leaving event remove.
    #[test]
    fn keys_conflate_and_null_removes() {
        let named = |event: &str, data: &[u8], key: Option<&str>| {
            entry_in(
                "connections",
                NewEntry {
                    event: event.into(),
                    data: data.into(),
                    key: key.map(Into::into),
                    ..NewEntry::default()
                },
            )
        };
        assert_eq!("k", named("e", b"1", Some("k")).conflation_key());
        assert_eq!("e", named("e", b"1", None).conflation_key());
        assert!(!named("e", b"0", None).removes_key());
        assert!(named("e", b"null", None).removes_key());
        assert!(named("leave", b"{}", None).removes_key());
    }

    /// `log_memory`: an entry keeps what it is counted with, whoever has read it.
    #[test]
    fn only_json_is_kept() {
        let entry = entry(NewEntry {
            event: "e".into(),
            data: b"1"[..].into(),
            ..NewEntry::default()
        });
        let payload = |encoding: Encoding| entry.message(encoding.into()).payload;
        assert!(matches!(payload(Encoding::Msgpack), Cow::Owned(_)));
        assert!(matches!(payload(Encoding::Json), Cow::Borrowed(_)));
        let parts = size_of::<Entry>() + entry.json.len();
        assert!(parts <= entry.size(), "{parts}");
    }
}
