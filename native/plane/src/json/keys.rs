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
    /// Only of what stands for an object: see [`Keys::seen`].
    seen: u64,
}

/// The keys of all open objects, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    all: Vec<Key<'a>>,
    /// Where the keys of the innermost object begin. What stands before them is no key: its `prefix` is the `start` of the
    /// object around it, so that one allocation serves a whole message.
    start: usize,
    /// A bit for each key of the innermost object, by its first bytes: a key whose bit is not there has not been there.
    seen: u64,
}

impl<'a> Keys<'a> {
    /// An object begins.
    #[inline]
    pub fn open(&mut self) {
        if self.all.capacity() == 0 {
            self.all.reserve_exact(FEW);
        }
        self.all.push(Key {
            prefix: self.start as u64,
            raw: b"",
            seen: self.seen,
        });
        self.start = self.all.len();
        self.seen = 0;
    }

    /// Whether the key is new in the innermost object, as far as that can be told at once.
    #[inline]
    pub fn insert(&mut self, key: Str<'a>) -> bool {
        let key = Key::new(key);
        let bit = key.bit();
        if self.seen & bit != 0 {
            let before = self.all.get(self.start..).unwrap_or_default();
            if before.len() <= FEW && before.iter().any(|other| key.is(other)) {
                return false;
            }
        }
        self.seen |= bit;
        self.all.push(key);
        true
    }

    /// The innermost object ends; whether all its keys were different.
    #[inline]
    pub fn close(&mut self) -> bool {
        let keys = self.all.get_mut(self.start..).unwrap_or_default();
        let different = keys.len() <= FEW || all_differ(keys);
        self.all.truncate(self.start);
        let (outer, seen) = self
            .all
            .pop()
            .map_or((0, 0), |outer| (outer.prefix, outer.seen));
        // It was a `usize`.
        self.start = usize::try_from(outer).unwrap_or_default();
        self.seen = seen;
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
            seen: 0,
        }
    }

    /// One of 64 bits, by the first bytes: the multiplier spreads what they have in common.
    #[inline]
    fn bit(&self) -> u64 {
        1 << (self.prefix.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
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
