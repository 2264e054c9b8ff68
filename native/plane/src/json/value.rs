//! Values where they stand in a JSON text, compared without being taken out of it.

use std::cmp::Ordering;

use super::escape::{Unescaped, unescape_into};
use super::exact::Exact;

/// A value of a text.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// There is nothing.
    Missing,
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The digits.
    Number(&'a [u8]),
    /// A string.
    Text(Text<'a>),
    /// From bracket to bracket; see [`super::elements`].
    Array(&'a [u8]),
    /// An object, which is nothing but there.
    Object,
}

/// A string of a text.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// As it stands between its quotes.
    pub(super) raw: &'a [u8],
    pub(super) escaped: bool,
}

impl<'a> Text<'a> {
    /// One that does not come out of JSON.
    pub fn plain(text: &'a str) -> Self {
        Self {
            raw: text.as_bytes(),
            escaped: false,
        }
    }

    /// Whether it reads as `other`.
    pub fn is(&self, other: &str) -> bool {
        if self.escaped {
            Unescaped::new(self.raw).eq(other.bytes())
        } else {
            self.raw == other.as_bytes()
        }
    }

    /// Which comes first by code points, whose order UTF-8 keeps.
    pub fn order(&self, other: &str) -> Ordering {
        if self.escaped {
            Unescaped::new(self.raw).cmp(other.bytes())
        } else {
            self.raw.cmp(other.as_bytes())
        }
    }

    /// Whether it begins with `other`.
    pub fn starts_with(&self, other: &str) -> bool {
        if self.escaped {
            let read = Unescaped::new(self.raw).take(other.len());
            return read.eq(other.bytes());
        }
        self.raw.starts_with(other.as_bytes())
    }

    /// Whether `other` stands somewhere in it; `room` is for what it reads as.
    pub fn contains(&self, other: &str, room: &mut Vec<u8>) -> bool {
        let mut read = self.raw;
        if self.escaped {
            room.clear();
            unescape_into(room, self.raw);
            read = room;
        }
        // In linear time, whatever the two are.
        simdutf8::basic::from_utf8(read).is_ok_and(|text| text.contains(other))
    }
}

/// The nearest 64-bit float of a number's digits.
pub fn float(number: &[u8]) -> Option<f64> {
    Exact::parse(number).map(|number| number.nearest())
}
