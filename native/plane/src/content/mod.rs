//! What a payload is that is no plain JSON: its media type, how it is encoded, and what is said about it (B4–B9).
//!
//! A log keeps the payload as it was published. Subscribers that decode an encoding themselves get it as it is, the others
//! decoded; both once per view. What filters have looked into is not decoded again for those who are sent it soon after.

mod decoding;
mod kept;
mod media;
mod media_type;
#[cfg(test)]
mod tests;

pub use decoding::{Undecoded, decode};
pub use kept::Kept;
pub use media::{Message, Payload};
pub use media_type::{is_json, is_media_type};

use crate::json;

/// Bytes of a decoded payload that no node lets pass: eight times the largest message of any channel (L7, L9).
pub const MAX_DECODED: usize = 8 * (16 << 20);

/// B7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ContentEncoding {
    /// RFC 1952, of one or several members.
    Gzip = 1,
    /// RFC 1950.
    Zlib = 2,
    /// RFC 1951, raw.
    Deflate = 3,
}

impl ContentEncoding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Zlib, Self::Deflate];

    /// As messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The one of that number.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| *one as u8 == number)
    }
}

/// The encodings that a client decodes itself (B9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accepts(u8);

impl Accepts {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// With one more.
    #[must_use]
    pub fn with(self, encoding: ContentEncoding) -> Self {
        Self(self.0 | 1 << encoding as u8)
    }

    /// Whether it is one of them.
    pub fn has(self, encoding: ContentEncoding) -> bool {
        self.0 & 1 << encoding as u8 != 0
    }
}

/// What a publisher said of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// Its media type.
    pub media_type: &'a str,
    /// How it is encoded.
    pub encoding: Option<ContentEncoding>,
    /// JSON text of an object (B6).
    pub meta: Option<&'a [u8]>,
}

impl Content<'_> {
    /// The payload is JSON text, and `data` like any other (B9).
    pub fn is_data(&self) -> bool {
        self.encoding.is_none() && is_json(self.media_type)
    }
}

/// The same, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnContent {
    media_type: Box<str>,
    encoding: Option<ContentEncoding>,
    meta: Option<Box<[u8]>>,
}

impl OwnContent {
    /// Borrowed.
    pub fn as_content(&self) -> Content<'_> {
        Content {
            media_type: &self.media_type,
            encoding: self.encoding,
            meta: self.meta.as_deref(),
        }
    }
}

impl From<Content<'_>> for OwnContent {
    fn from(content: Content<'_>) -> Self {
        Self {
            media_type: content.media_type.into(),
            encoding: content.encoding,
            meta: content.meta.map(Box::from),
        }
    }
}

/// Bytes that an encoded `null` has at most.
const ENCODED_NULL: usize = 64;

/// S6, F10: whether a payload is JSON `null`, encoded or not.
pub fn is_null(payload: &[u8], content: &Content<'_>) -> bool {
    if !is_json(content.media_type) {
        return false;
    }
    let Some(encoding) = content.encoding else {
        return payload == b"null";
    };
    let decoded = || decode(encoding, payload, 4);
    payload.len() <= ENCODED_NULL && decoded().is_ok_and(|data| data == b"null")
}

/// Why a payload is not taken (B8, L9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Decoded, it is longer than so many bytes.
    TooLarge(usize),
    /// Decoded, it is more than so many times as long.
    Ratio(usize),
    /// It does not decode, or is not what its media type says; what was expected.
    Invalid(String),
}

/// Whether to look into a payload takes more than some `budget` bytes of work.
pub fn is_much(payload: &[u8], content: &Content<'_>, budget: usize) -> bool {
    match content.encoding {
        None => content.is_data() && payload.len() > budget,
        Some(_) if payload.len() > budget => true,
        Some(encoding) => decode(encoding, payload, budget) == Err(Undecoded::TooLarge),
    }
}

/// B8: a payload that is encoded decodes within the limits, and what is JSON is valid by M10–M13. The decoded size.
pub fn check_payload(
    payload: &[u8],
    content: &Content<'_>,
    max_decoded: usize,
    max_ratio: usize,
) -> Result<usize, Refusal> {
    let json_fault = |text: &[u8]| match json::check_value(text) {
        Ok(()) => Ok(text.len()),
        Err(fault) => Err(Refusal::Invalid(format!("expected JSON: {fault}"))),
    };
    let Some(encoding) = content.encoding else {
        return if content.is_data() {
            json_fault(payload)
        } else {
            Ok(payload.len())
        };
    };
    let by_ratio = payload.len().saturating_mul(max_ratio);
    match decode(encoding, payload, max_decoded.min(by_ratio)) {
        Ok(decoded) if is_json(content.media_type) => json_fault(&decoded),
        Ok(decoded) => Ok(decoded.len()),
        Err(Undecoded::TooLarge) if by_ratio < max_decoded => Err(Refusal::Ratio(max_ratio)),
        Err(Undecoded::TooLarge) => Err(Refusal::TooLarge(max_decoded)),
        Err(Undecoded::Corrupt(what)) => {
            Err(Refusal::Invalid(format!("{}: {what}", encoding.name())))
        }
    }
}
