//! An entry that is no plain JSON, in the forms that subscribers get it in (B4, B5, B9).

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Content, ContentEncoding, MAX_DECODED, Undecoded, decode, is_json};
use crate::entry::Encoding;
use crate::form::Form;
use crate::frame::Opcode;
use crate::json::msgpack;

/// What a media frame begins with.
const MEDIA: u8 = 1;

/// A message as a view or a replay writes it.
#[derive(Debug)]
pub struct Message<'a> {
    /// The kind of its frames.
    pub opcode: Opcode,
    /// What stands in them.
    pub payload: Cow<'a, [u8]>,
    /// B3: media frames are never compressed, nor is content that is encoded already.
    pub is_compressible: bool,
}

/// The bytes of an entry whose `data` is no JSON text.
#[derive(Debug)]
pub struct Payload {
    bytes: Box<[u8]>,
    encoding: Option<ContentEncoding>,
    is_json: bool,
    /// What it decodes to, as long as somebody holds that.
    decoded: Mutex<Weak<Vec<u8>>>,
}

impl Payload {
    /// The payload of `content`; it is no `data`.
    pub fn new(bytes: Box<[u8]>, content: &Content<'_>) -> Self {
        Self {
            bytes,
            encoding: content.encoding,
            is_json: is_json(content.media_type),
            decoded: Mutex::default(),
        }
    }

    /// Bytes of it.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it is encoded.
    pub fn is_encoded(&self) -> bool {
        self.encoding.is_some()
    }

    /// Whether it is JSON text that is encoded: `data` for those who do not decode it (B9), and for filters (F10).
    pub fn hides_data(&self) -> bool {
        self.is_json && self.is_encoded()
    }

    /// The JSON that it hides. Whoever asks while another holds it gets the same.
    pub fn data(&self) -> Option<Arc<Vec<u8>>> {
        let encoding = self.encoding.filter(|_| self.is_json)?;
        self.decode(encoding).ok()
    }

    fn decode(&self, encoding: ContentEncoding) -> Result<Arc<Vec<u8>>, Undecoded> {
        // Whoever comes meanwhile waits for what is being decoded instead of decoding it too.
        let mut held = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoded) = held.upgrade() {
            return Ok(decoded);
        }
        let decoded = Arc::new(decode(encoding, &self.bytes, MAX_DECODED)?);
        *held = Arc::downgrade(&decoded);
        Ok(decoded)
    }

    /// What an event says of it; `head` ends with it.
    pub fn write_encoding(encoding: ContentEncoding, head: &mut Vec<u8>) {
        head.extend_from_slice(br#","content_encoding":""#);
        head.extend_from_slice(encoding.name().as_bytes());
        head.push(b'"');
    }

    /// The event in the form of a view; `head` is the message without `data`.
    pub fn message<'a>(&'a self, head: &'a [u8], form: Form) -> Message<'a> {
        match self.encoding {
            Some(encoding) if !form.accepts.has(encoding) => self.decoded(head, encoding, form),
            _ => media(head, &self.bytes, form.encoding),
        }
    }

    /// The event as JSON text: with `data` where that is JSON, else without it.
    pub fn text<'a>(&self, head: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(encoding) = self.encoding.filter(|_| self.is_json) else {
            return Cow::Borrowed(head);
        };
        self.decode(encoding).map_or(Cow::Borrowed(head), |data| {
            Cow::Owned(with_data(bare(head, encoding), &data))
        })
    }

    fn decoded<'a>(&self, head: &'a [u8], encoding: ContentEncoding, form: Form) -> Message<'a> {
        let decoded = self.decode(encoding);
        let head = bare(head, encoding);
        let payload = match decoded {
            Ok(data) if self.is_json => with_data(head, &data),
            Ok(bytes) => return media_of(head, &bytes, form.encoding),
            // No node of ours has let it pass; silence would break the promise, broken bytes the stream.
            Err(_) => br#"{"type":"error","code":500,"error":"internal","message":"an entry does not decode","temporary":false}"#.to_vec(),
        };
        Message {
            opcode: form.encoding.opcode(),
            payload: match form.encoding {
                Encoding::Json => Cow::Owned(payload),
                Encoding::Msgpack => Cow::Owned(to_msgpack(&payload)),
            },
            is_compressible: true,
        }
    }
}

/// Without the member that tells the encoding, and without the closing brace.
fn bare(head: &[u8], encoding: ContentEncoding) -> &[u8] {
    let mut end = Vec::new();
    Payload::write_encoding(encoding, &mut end);
    end.push(b'}');
    head.strip_suffix(&*end).unwrap_or(head)
}

fn with_data(head: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len() + data.len() + 10);
    out.extend_from_slice(head);
    out.extend_from_slice(br#","data":"#);
    out.extend_from_slice(data);
    out.push(b'}');
    out
}

/// The same where `head` is not closed.
fn media_of<'a>(head: &[u8], bytes: &[u8], encoding: Encoding) -> Message<'a> {
    let closed = [head, b"}"].concat();
    let message = media(&closed, bytes, encoding);
    Message {
        payload: Cow::Owned(message.payload.into_owned()),
        ..message
    }
}

/// A media frame, or a map whose `data` is `bin`.
fn media<'a>(head: &[u8], bytes: &[u8], encoding: Encoding) -> Message<'a> {
    let payload = match encoding {
        Encoding::Json => {
            let mut out = Vec::with_capacity(5 + head.len() + bytes.len());
            // Every part of a head is bounded, all of them far below 64 KiB (B4).
            let len = u32::try_from(head.len()).unwrap_or(u32::MAX);
            out.push(MEDIA);
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(head);
            out.extend_from_slice(bytes);
            out
        }
        Encoding::Msgpack => {
            let mut out = to_msgpack(head);
            out.reserve(bytes.len() + 16);
            msgpack::grow_map(&mut out);
            msgpack::write_str(&mut out, "data");
            msgpack::write_bin(&mut out, bytes);
            out
        }
    };
    Message {
        opcode: Opcode::Binary,
        payload: Cow::Owned(payload),
        is_compressible: false,
    }
}

/// The msgpack form of a message of ours whose `data` was checked.
fn to_msgpack(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    if msgpack::transcode(json, &mut out).is_err() {
        out.clear();
    }
    out
}
