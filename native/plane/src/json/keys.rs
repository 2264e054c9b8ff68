//! Which keys the open objects have had (M11), compared as they read: `"a"` and `"\u0061"` are one key. Memory is a small
//! multiple of the text, and time is not quadratic for any text.

use std::cmp::Ordering;

use super::escape::Unescaped;
use super::lexer::Str;

/// Up to here a new key is compared with all before it; the keys of a larger object are sorted when it ends.
const FEW: usize = 16;

/// A key as it stands in the text.
#[derive(Clone, Copy, Debug)]
struct Key<'a> {
    /// The first eight bytes as they read; most keys differ in them.
    prefix: u64,
    raw: &'a [u8],
}

/// The keys of all open objects, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    keys: Vec<Key<'a>>,
    /// Where the keys of the innermost object begin. What stands before them is no key: its `prefix` is the `start` of the
    /// object around it, so that one allocation serves a whole message.
    start: usize,
}

impl<'a> Keys<'a> {
    /// An object begins.
    #[inline]
    pub fn open(&mut self) {
        if self.keys.capacity() == 0 {
            self.keys.reserve_exact(FEW);
        }
        self.keys.push(Key {
            prefix: self.start as u64,
            raw: b"",
        });
        self.start = self.keys.len();
    }

    /// Whether the key is new in the innermost object, as far as that can be told at once.
    #[inline]
    pub fn insert(&mut self, key: Str<'a>) -> bool {
        let key = Key::new(key);
        let before = self.keys.get(self.start..).unwrap_or_default();
        if before.len() <= FEW && before.iter().any(|other| key.is(other)) {
            return false;
        }
        self.keys.push(key);
        true
    }

    /// The innermost object ends; whether all its keys were different.
    #[inline]
    pub fn close(&mut self) -> bool {
        let keys = self.keys.get_mut(self.start..).unwrap_or_default();
        let different = keys.len() <= FEW || all_differ(keys);
        self.keys.truncate(self.start);
        let outer = self.keys.pop().map_or(0, |outer| outer.prefix);
        // It was a `usize`.
        self.start = usize::try_from(outer).unwrap_or_default();
        different
    }
}

fn all_differ(keys: &mut [Key<'_>]) -> bool {
    keys.sort_unstable_by(Key::order);
    keys.is_sorted_by(|a, b| !a.is(b))
}

impl<'a> Key<'a> {
    #[inline]
    fn new(key: Str<'a>) -> Self {
        let prefix = if key.escaped {
            prefix(Unescaped::new(key.raw))
        } else {
            key.first_bytes()
        };
        Self {
            prefix,
            raw: key.raw,
        }
    }

    #[inline]
    fn is(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.order(other) == Ordering::Equal
    }

    /// The order of the keys as they read.
    fn order(&self, other: &Self) -> Ordering {
        let by_text = || {
            if self.is_escaped() || other.is_escaped() {
                Unescaped::new(self.raw).cmp(Unescaped::new(other.raw))
            } else {
                self.raw.cmp(other.raw)
            }
        };
        self.prefix.cmp(&other.prefix).then_with(by_text)
    }

    /// A backslash stands in a string for an escape only.
    fn is_escaped(&self) -> bool {
        self.raw.contains(&b'\\')
    }
}

/// Eight bytes in the order of the text, zeros behind its end.
pub(super) fn prefix(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut first = [0; 8];
    for (place, byte) in first.iter_mut().zip(bytes) {
        *place = byte;
    }
    u64::from_be_bytes(first)
}
