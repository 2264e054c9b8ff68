//! The escapes of JSON strings, both ways.

use super::lexer::hex;
use super::plain::plain_len;

/// Append `s` as a JSON string with its quotes.
pub fn write_str(out: &mut Vec<u8>, s: &str) {
    let mut rest = s.as_bytes();
    out.reserve(rest.len().saturating_add(2));
    out.push(b'"');
    loop {
        let (plain, special) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else {
            break;
        };
        write_escape(out, *byte);
        rest = after;
    }
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        0..b' ' => {
            let digit = |nibble: u8| {
                char::from_digit(u32::from(nibble), 16).map_or(b'0', |digit| digit as u8)
            };
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            return;
        }
        // A quote or a backslash.
        itself => itself,
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Append what a string reads as; `raw` is what stood between its quotes, its escapes known to be good.
pub fn unescape_into(out: &mut Vec<u8>, raw: &[u8]) {
    let mut rest = raw;
    while !rest.is_empty() {
        let (plain, escape) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let Some((character, after)) = first_escape(escape) else {
            break;
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = after;
    }
}

/// What a string reads as, byte by byte.
#[derive(Clone, Debug)]
pub(super) struct Unescaped<'a> {
    raw: &'a [u8],
    character: std::iter::Take<std::array::IntoIter<u8, 4>>,
}

impl<'a> Unescaped<'a> {
    /// `raw` is what stood between the quotes, its escapes known to be good.
    pub fn new(raw: &'a [u8]) -> Self {
        let character = [0; 4].into_iter().take(0);
        Self { raw, character }
    }
}

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let Some(byte) = self.character.next() {
            return Some(byte);
        }
        let (first, rest) = self.raw.split_first()?;
        if *first != b'\\' {
            self.raw = rest;
            return Some(*first);
        }
        let (character, rest) = first_escape(self.raw)?;
        self.raw = rest;
        let mut bytes = [0; 4];
        let len = character.encode_utf8(&mut bytes).len();
        self.character = bytes.into_iter().take(len);
        self.character.next()
    }
}

/// The character that an escape stands for, and what follows the escape; `None` for what no lexer lets through.
fn first_escape(raw: &[u8]) -> Option<(char, &[u8])> {
    let (character, rest) = match raw {
        [b'\\', b'u', rest @ ..] => return code_point(rest),
        [b'\\', b'b', rest @ ..] => ('\u{08}', rest),
        [b'\\', b't', rest @ ..] => ('\t', rest),
        [b'\\', b'n', rest @ ..] => ('\n', rest),
        [b'\\', b'f', rest @ ..] => ('\u{0c}', rest),
        [b'\\', b'r', rest @ ..] => ('\r', rest),
        [b'\\', itself @ (b'"' | b'\\' | b'/'), rest @ ..] => (char::from(*itself), rest),
        _ => return None,
    };
    Some((character, rest))
}

/// The digits of a `\u`, and those of the low surrogate if it is a high one.
fn code_point(digits: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = digits.split_first_chunk()?;
    let first = hex(*first)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(u32::from(first))?, rest));
    }
    let (second, rest) = rest.strip_prefix(b"\\u")?.split_first_chunk()?;
    let character = char::decode_utf16([first, hex(*second)?]).next()?.ok()?;
    Some((character, rest))
}
