//! The grammar of RFC 8259, walked without recursion: whoever walks learns what stands where.

use super::JsonFault;
use super::lexer::{Lexer, Literal, Str};
use super::number::Number;

/// Brackets that may be open at once, whoever walks; visitors ask for less.
const MAX_NESTING: u32 = 63;

/// Lengths and counts are written in 32 bits.
const MAX_TEXT: u64 = u32::MAX as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bracket {
    Array,
    Object,
}

/// What is done with each part of a text; an error says what was expected where the part begins.
pub(super) trait Visitor<'a> {
    fn open(&mut self, bracket: Bracket) -> Result<(), &'static str>;
    fn close(&mut self, bracket: Bracket) -> Result<(), &'static str>;
    fn key(&mut self, key: Str<'a>) -> Result<(), &'static str>;
    fn string(&mut self, string: Str<'a>) -> Result<(), &'static str>;
    fn number(&mut self, number: Number<'a>) -> Result<(), &'static str>;
    fn literal(&mut self, literal: Literal) -> Result<(), &'static str>;

    /// Where the part told next begins and ends, quotes and brackets included.
    #[inline]
    fn stands(&mut self, _from: usize, _to: usize) {}
}

/// One JSON value and nothing else.
pub(super) fn walk<'a>(text: &'a [u8], visitor: &mut impl Visitor<'a>) -> Result<(), JsonFault> {
    let lexer = Lexer::new(text);
    if text.len() as u64 > MAX_TEXT {
        return Err(Lexer::refused(0, "expected a text below 4 GiB"));
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(Lexer::refused(0, "expected no byte order mark"));
    }
    let mut walk = Walk {
        lexer,
        objects: 0,
        depth: 0,
        visitor,
    };
    let mut next = Next::Value;
    loop {
        next = match next {
            Next::Value => walk.value()?,
            Next::Key => walk.key()?,
            Next::After => walk.after_value()?,
            Next::End => return Ok(()),
        };
    }
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Value,
    Key,
    After,
    End,
}

struct Walk<'a, 'v, V> {
    lexer: Lexer<'a>,
    /// One bit for each open bracket, the innermost lowest: set for an object.
    objects: u64,
    depth: u32,
    visitor: &'v mut V,
}

impl<'a, V: Visitor<'a>> Walk<'a, '_, V> {
    #[inline]
    fn value(&mut self) -> Result<Next, JsonFault> {
        self.lexer.skip_space();
        let from = self.lexer.at();
        match self.lexer.peek() {
            Some(b'"') => {
                self.lexer.advance();
                let string = self.lexer.string()?;
                self.told(from, |visitor| visitor.string(string))?;
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = self.lexer.number()?;
                self.told(from, |visitor| visitor.number(number))?;
            }
            Some(b'{') => return self.open(Bracket::Object),
            Some(b'[') => return self.open(Bracket::Array),
            _ => {
                let literal = self.lexer.literal()?;
                self.told(from, |visitor| visitor.literal(literal))?;
            }
        }
        Ok(Next::After)
    }

    #[inline]
    fn after_value(&mut self) -> Result<Next, JsonFault> {
        self.lexer.skip_space();
        match (self.innermost(), self.lexer.peek()) {
            (Some(Bracket::Object), Some(b',')) => {
                self.lexer.advance();
                self.lexer.skip_space();
                Ok(Next::Key)
            }
            (Some(Bracket::Array), Some(b',')) => {
                self.lexer.advance();
                Ok(Next::Value)
            }
            (Some(bracket @ Bracket::Object), Some(b'}'))
            | (Some(bracket @ Bracket::Array), Some(b']')) => self.close(bracket),
            (None, None) => Ok(Next::End),
            (Some(Bracket::Object), _) => {
                Err(self.lexer.unexpected("expected , or } after a member"))
            }
            (Some(Bracket::Array), _) => {
                Err(self.lexer.unexpected("expected , or ] after an element"))
            }
            (None, _) => Err(self.lexer.unexpected("expected the end of the text")),
        }
    }

    #[inline]
    fn key(&mut self) -> Result<Next, JsonFault> {
        let from = self.lexer.at();
        if !self.lexer.eat(b'"') {
            return Err(self.lexer.unexpected("expected a key in quotes"));
        }
        let key = self.lexer.string()?;
        self.told(from, |visitor| visitor.key(key))?;
        self.lexer.skip_space();
        if !self.lexer.eat(b':') {
            return Err(self.lexer.unexpected("expected : after a key"));
        }
        Ok(Next::Value)
    }

    fn open(&mut self, bracket: Bracket) -> Result<Next, JsonFault> {
        let from = self.lexer.at();
        if self.depth >= MAX_NESTING {
            return Err(Lexer::refused(
                from,
                "expected at most 63 levels of nesting",
            ));
        }
        self.told(from, |visitor| visitor.open(bracket))?;
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects << 1 | u64::from(bracket == Bracket::Object);
        self.lexer.advance();
        self.lexer.skip_space();
        match (bracket, self.lexer.peek()) {
            (Bracket::Object, Some(b'}')) | (Bracket::Array, Some(b']')) => Ok(Next::After),
            (Bracket::Object, _) => Ok(Next::Key),
            (Bracket::Array, _) => Ok(Next::Value),
        }
    }

    /// The closing bracket comes next.
    fn close(&mut self, bracket: Bracket) -> Result<Next, JsonFault> {
        let from = self.lexer.at();
        self.told(from, |visitor| visitor.close(bracket))?;
        self.lexer.advance();
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        Ok(Next::After)
    }

    #[inline]
    fn innermost(&self) -> Option<Bracket> {
        match (self.depth, self.objects & 1) {
            (0, _) => None,
            (_, 0) => Some(Bracket::Array),
            _ => Some(Bracket::Object),
        }
    }

    #[inline]
    fn told(
        &mut self,
        from: usize,
        tell: impl FnOnce(&mut V) -> Result<(), &'static str>,
    ) -> Result<(), JsonFault> {
        self.visitor.stands(from, self.lexer.at());
        tell(self.visitor).map_err(|what| Lexer::refused(from, what))
    }
}
