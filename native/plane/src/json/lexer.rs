//! The tokens of RFC 8259, as slices of the text.

use super::JsonFault;
use super::escape::Unescaped;
use super::keys;
use super::number::Number;
use super::plain::plain_len;

const ESCAPE: &str =
    r#"expected an escape \" \\ \/ \b \f \n \r \t or \u with four hexadecimal digits"#;
const HIGH_ALONE: &str = r"expected a low surrogate after a high one, as in \ud83d\ude00";
const LOW_ALONE: &str = r"expected a high surrogate before a low one, as in \ud83d\ude00";

/// The first 0 to 7 bytes of eight.
const FIRST_BYTES: [u64; 8] = [
    0,
    0xff << 56,
    0xffff << 48,
    0xff_ffff << 40,
    0xffff_ffff << 32,
    0xff_ffff_ffff << 24,
    0xffff_ffff_ffff << 16,
    0xff_ffff_ffff_ffff << 8,
];

/// A string without its quotes, its escapes known to be good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Str<'a> {
    pub raw: &'a [u8],
    pub escaped: bool,
    /// The text from the first byte of `raw` to its end.
    from: &'a [u8],
}

impl Str<'_> {
    /// The first eight bytes in order, zeros behind the end; of a string without escapes.
    #[inline]
    pub fn first_bytes(&self) -> u64 {
        let Some(first) = self.from.first_chunk() else {
            return keys::prefix(self.raw.iter().copied());
        };
        let mask = FIRST_BYTES.get(self.raw.len()).unwrap_or(&u64::MAX);
        u64::from_be_bytes(*first) & mask
    }

    /// Whether it reads as `word`.
    #[inline]
    pub fn is(&self, word: &str) -> bool {
        if self.escaped {
            Unescaped::new(self.raw).eq(word.bytes())
        } else {
            self.raw == word.as_bytes()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Null,
    False,
    True,
}

/// A place in a text. What every token passes through is kept small enough for registers, and what only faults and escapes
/// pass through is kept apart from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Where the next token, or space, begins.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Pass the byte that was peeked at.
    #[inline]
    pub fn advance(&mut self) {
        self.pass(1);
    }

    #[inline]
    pub fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.advance();
        }
    }

    /// Takes the next byte if it is this one.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.pass(usize::from(here));
        here
    }

    /// The next byte, or the end, is not what was expected.
    #[cold]
    pub fn unexpected(self, what: &'static str) -> JsonFault {
        JsonFault {
            at: self.at,
            what,
            came: self.peek(),
        }
    }

    /// The token that begins at `from` is not allowed.
    #[cold]
    pub fn refused(from: usize, what: &'static str) -> JsonFault {
        JsonFault {
            at: from,
            what,
            came: None,
        }
    }

    /// A string whose opening quote was taken.
    #[inline]
    pub fn string(&mut self) -> Result<Str<'a>, JsonFault> {
        let from = self.text.get(self.at..).unwrap_or_default();
        let plain = plain_len(from);
        if from.get(plain) == Some(&b'"') {
            self.pass(plain);
            self.advance();
            let raw = from.get(..plain).unwrap_or_default();
            return Ok(Str {
                raw,
                escaped: false,
                from,
            });
        }
        let (raw, end) = self.escaped_string()?;
        *self = end;
        Ok(Str {
            raw,
            escaped: true,
            from,
        })
    }

    /// A number whose first byte is a digit or a minus sign.
    #[inline]
    pub fn number(&mut self) -> Result<Number<'a>, JsonFault> {
        let start = self.at;
        let negative = self.eat(b'-');
        let whole = self.at;
        if !self.eat(b'0') {
            self.digits()?;
        }
        let digits = self.since(whole);
        let fraction = self.eat(b'.');
        if fraction {
            self.digits()?;
        }
        let power = self.at;
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'-') || self.eat(b'+');
            self.digits()?;
        }
        let exponent = self.since(power);
        Ok(Number {
            text: self.since(start),
            negative,
            digits,
            exponent,
            integer: !fraction && exponent.is_empty(),
        })
    }

    #[inline]
    pub fn literal(&mut self) -> Result<Literal, JsonFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let (literal, len) = match rest {
            [b'n', b'u', b'l', b'l', ..] => (Literal::Null, 4),
            [b't', b'r', b'u', b'e', ..] => (Literal::True, 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Literal::False, 5),
            _ => return Err(self.unexpected("expected a JSON value")),
        };
        self.pass(len);
        Ok(literal)
    }

    /// `len` bytes that were seen at `at`, and so lie within the text.
    #[inline]
    fn pass(&mut self, len: usize) {
        self.at = self.at.wrapping_add(len);
    }

    #[inline]
    fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[inline]
    fn digits(&mut self) -> Result<(), JsonFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.pass(count);
        if count == 0 {
            return Err(self.unexpected("expected a digit"));
        }
        Ok(())
    }

    /// The rest of a string that is not plain, and the lexer behind its closing quote.
    #[cold]
    fn escaped_string(mut self) -> Result<(&'a [u8], Self), JsonFault> {
        let start = self.at;
        loop {
            self.pass(plain_len(self.text.get(self.at..).unwrap_or_default()));
            match self.peek() {
                Some(b'"') => {
                    let raw = self.since(start);
                    self.advance();
                    return Ok((raw, self));
                }
                Some(b'\\') => self.escape()?,
                _ => {
                    return Err(
                        self.unexpected("expected a character, an escape or the end of the string")
                    );
                }
            }
        }
    }

    /// M10: an escape of RFC 8259 §7; a surrogate only as the first of a pair.
    fn escape(&mut self) -> Result<(), JsonFault> {
        let start = self.at;
        self.advance();
        if let Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') = self.peek() {
            self.advance();
            return Ok(());
        }
        self.at = start;
        let first = self
            .code_unit()
            .ok_or_else(|| Self::refused(start, ESCAPE))?;
        match first {
            0xd800..0xdc00 => match self.code_unit() {
                Some(0xdc00..0xe000) => Ok(()),
                _ => Err(Self::refused(start, HIGH_ALONE)),
            },
            0xdc00..0xe000 => Err(Self::refused(start, LOW_ALONE)),
            _ => Ok(()),
        }
    }

    /// A `\u` with its digits.
    fn code_unit(&mut self) -> Option<u16> {
        let rest = self.text.get(self.at..)?.strip_prefix(b"\\u")?;
        let unit = hex(*rest.first_chunk()?)?;
        self.pass(6);
        Some(unit)
    }
}

/// The value of four hexadecimal digits.
pub(super) fn hex(digits: [u8; 4]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |unit, digit| {
        let digit = u16::try_from(char::from(*digit).to_digit(16)?).ok()?;
        Some(unit << 4 | digit)
    })
}
