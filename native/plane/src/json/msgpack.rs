//! msgpack in its shortest forms: made of JSON (M14), and by hand for the heads of events.

use super::JsonFault;
use super::escape::unescape_into;
use super::lexer::{Literal, Str};
use super::number::Number;
use super::walk::{Bracket, Visitor, walk};

/// The first bytes of maps: of up to 15 pairs, of a length of 16 bits, and of 32 bits.
const MAP: [u8; 3] = [0x80, 0xde, 0xdf];

/// The same of arrays.
const ARRAY: [u8; 3] = [0x90, 0xdc, 0xdd];

/// Append the msgpack form of one JSON value: integers stay integers, all other numbers become 64-bit floats.
///
/// The value is one that was checked, its UTF-8 included, with at most some levels of the hub's own around it. On a fault
/// `out` keeps what was written up to there.
pub fn transcode(json: &[u8], out: &mut Vec<u8>) -> Result<(), JsonFault> {
    out.reserve(json.len());
    walk(
        json,
        &mut Transcoder {
            out,
            open: Vec::new(),
            text: Vec::new(),
        },
    )
}

/// A map or array whose elements are being written.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Where its head stands, of one byte until its length is known.
    head: usize,
    len: u32,
    bracket: Bracket,
}

struct Transcoder<'o> {
    out: &'o mut Vec<u8>,
    open: Vec<Open>,
    /// A string whose escapes are taken out.
    text: Vec<u8>,
}

impl Transcoder<'_> {
    /// One more in the innermost bracket.
    #[inline]
    fn count(&mut self, bracket: Bracket) {
        if let Some(open) = self.open.last_mut().filter(|open| open.bracket == bracket) {
            // A text has fewer elements than bytes, and those are below 2^32.
            open.len = open.len.saturating_add(1);
        }
    }

    fn write_string(&mut self, string: Str<'_>) {
        if !string.escaped {
            write_raw_str(self.out, string.raw);
            return;
        }
        self.text.clear();
        unescape_into(&mut self.text, string.raw);
        write_raw_str(self.out, &self.text);
    }
}

impl<'a> Visitor<'a> for Transcoder<'_> {
    fn open(&mut self, bracket: Bracket) -> Result<(), &'static str> {
        self.count(Bracket::Array);
        let head = self.out.len();
        self.out.push(0);
        self.open.push(Open {
            head,
            len: 0,
            bracket,
        });
        Ok(())
    }

    fn close(&mut self, _: Bracket) -> Result<(), &'static str> {
        if let Some(open) = self.open.pop() {
            set_head(self.out, open);
        }
        Ok(())
    }

    #[inline]
    fn key(&mut self, key: Str<'a>) -> Result<(), &'static str> {
        self.count(Bracket::Object);
        self.write_string(key);
        Ok(())
    }

    #[inline]
    fn string(&mut self, string: Str<'a>) -> Result<(), &'static str> {
        self.count(Bracket::Array);
        self.write_string(string);
        Ok(())
    }

    #[inline]
    fn number(&mut self, number: Number<'a>) -> Result<(), &'static str> {
        self.count(Bracket::Array);
        if !number.integer {
            write_f64(self.out, number.value());
            return Ok(());
        }
        let magnitude = number.magnitude().filter(|_| number.is_native());
        let magnitude = magnitude.ok_or("expected an integer from -2^63 to 2^64-1")?;
        if number.negative {
            // `is_native` keeps it within −2^63.
            write_int(self.out, 0_i64.wrapping_sub_unsigned(magnitude));
        } else {
            write_uint(self.out, magnitude);
        }
        Ok(())
    }

    #[inline]
    fn literal(&mut self, literal: Literal) -> Result<(), &'static str> {
        self.count(Bracket::Array);
        match literal {
            Literal::Null => write_nil(self.out),
            Literal::False => write_bool(self.out, false),
            Literal::True => write_bool(self.out, true),
        }
        Ok(())
    }
}

/// Write the head that `open` kept a byte for, and move what follows if it takes more.
fn set_head(out: &mut Vec<u8>, open: Open) {
    let heads = match open.bracket {
        Bracket::Object => MAP,
        Bracket::Array => ARRAY,
    };
    let [short, ..] = heads;
    if let (Ok(len @ ..16), Some(head)) = (u8::try_from(open.len), out.get_mut(open.head)) {
        *head = short | len;
        return;
    }
    let mut head = Vec::new();
    write_len(&mut head, open.len, heads);
    out.splice(open.head..=open.head, head);
}

/// Append `nil`.
pub fn write_nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Append `false` or `true`.
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.push(0xc2 | u8::from(value));
}

/// Append an integer that is not negative.
pub fn write_uint(out: &mut Vec<u8>, value: u64) {
    match (
        u8::try_from(value),
        u16::try_from(value),
        u32::try_from(value),
    ) {
        (Ok(value @ ..0x80), ..) => out.push(value),
        (Ok(value), ..) => out.extend_from_slice(&[0xcc, value]),
        (_, Ok(value), _) => write_head(out, 0xcd, value.to_be_bytes()),
        (.., Ok(value)) => write_head(out, 0xce, value.to_be_bytes()),
        _ => write_head(out, 0xcf, value.to_be_bytes()),
    }
}

/// Append an integer.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        return write_uint(out, value);
    }
    match (
        i8::try_from(value),
        i16::try_from(value),
        i32::try_from(value),
    ) {
        (Ok(value @ -32..), ..) => out.extend_from_slice(&value.to_be_bytes()),
        (Ok(value), ..) => write_head(out, 0xd0, value.to_be_bytes()),
        (_, Ok(value), _) => write_head(out, 0xd1, value.to_be_bytes()),
        (.., Ok(value)) => write_head(out, 0xd2, value.to_be_bytes()),
        _ => write_head(out, 0xd3, value.to_be_bytes()),
    }
}

/// Append a 64-bit float, whatever its value (M14).
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    write_head(out, 0xcb, value.to_be_bytes());
}

/// Append a string.
pub fn write_str(out: &mut Vec<u8>, value: &str) {
    write_raw_str(out, value.as_bytes());
}

/// Append bytes.
pub fn write_bin(out: &mut Vec<u8>, value: &[u8]) {
    // As long as strings.
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len), _) => out.extend_from_slice(&[0xc4, len]),
        (_, Ok(len)) => write_head(out, 0xc5, len.to_be_bytes()),
        _ => write_head(out, 0xc6, len.to_be_bytes()),
    }
    out.extend_from_slice(value);
}

/// A map of up to 14 pairs, which `out` begins with, is to have one pair more.
pub fn grow_map(out: &mut [u8]) {
    let [short, ..] = MAP;
    if let Some(head) = out
        .first_mut()
        .filter(|head| (short..short | 15).contains(*head))
    {
        *head = head.saturating_add(1);
    }
}

/// Append the head of a map; its `len` keys and values follow in turn.
pub fn write_map_len(out: &mut Vec<u8>, len: u32) {
    write_len(out, len, MAP);
}

/// Append the head of an array; its `len` elements follow.
pub fn write_array_len(out: &mut Vec<u8>, len: u32) {
    write_len(out, len, ARRAY);
}

#[inline]
fn write_raw_str(out: &mut Vec<u8>, value: &[u8]) {
    // Strings of 4 GiB and more do not exist here: no limit reaches so far.
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..32), _) => out.push(0xa0 | len),
        (Ok(len), _) => out.extend_from_slice(&[0xd9, len]),
        (_, Ok(len)) => write_head(out, 0xda, len.to_be_bytes()),
        _ => write_head(out, 0xdb, len.to_be_bytes()),
    }
    out.extend_from_slice(value);
}

fn write_len(out: &mut Vec<u8>, len: u32, heads: [u8; 3]) {
    let [short, medium, long] = heads;
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..16), _) => out.push(short | len),
        (_, Ok(len)) => write_head(out, medium, len.to_be_bytes()),
        _ => write_head(out, long, len.to_be_bytes()),
    }
}

#[inline]
fn write_head<const N: usize>(out: &mut Vec<u8>, first: u8, rest: [u8; N]) {
    out.push(first);
    out.extend_from_slice(&rest);
}
