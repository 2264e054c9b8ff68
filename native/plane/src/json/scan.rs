use super::JsonFault;
use super::keys::Keys;
use super::lexer::{Literal, Str};
use super::number::Number;
use super::walk::{Bracket, Visitor, walk};

/// Brackets of one message that may be open at once (M10, L12).
pub const MAX_DEPTH: usize = 32;

/// With those of the array around messages (M12).
const MAX_OPEN: usize = MAX_DEPTH + 1;

/// A message, or an array of messages (M12), by M10, M11 and M13, that did not come as a text frame: nobody has looked at its
/// UTF-8.
///
/// A text that is JSON but neither is let through: what it should have been is the business of whoever reads messages (M1).
pub fn check(text: &[u8]) -> Result<(), JsonFault> {
    check_utf8(text)?;
    walk(text, &mut Rules::default())
}

/// Bytes that are to become the `data` or `payload` of a message: UTF-8, and what M10 and M13 say of the inside of `data`,
/// where the object around it is the first of the 32 levels.
pub fn check_value(text: &[u8]) -> Result<(), JsonFault> {
    check_utf8(text)?;
    walk(text, &mut Rules::inside_data(MAX_DEPTH - 1))
}

/// The same for the `data` of an entry that some node has checked before: one level more, since the `payload` of a signal stands
/// inside of it (signals.md 7).
pub fn check_data(text: &[u8]) -> Result<(), JsonFault> {
    check_utf8(text)?;
    walk(text, &mut Rules::inside_data(MAX_DEPTH))
}

pub(super) fn check_utf8(text: &[u8]) -> Result<(), JsonFault> {
    let Err(error) = simdutf8::compat::from_utf8(text) else {
        return Ok(());
    };
    let at = error.valid_up_to();
    Err(JsonFault {
        at,
        what: "expected UTF-8",
        came: text.get(at).copied(),
    })
}

#[derive(Debug)]
pub(super) struct Rules<'a> {
    depth: usize,
    max_depth: usize,
    /// How deep the members of a message stand: 1, or 2 inside an array of messages; 0 while that is not known.
    members: usize,
    /// Inside the `data` or `payload` of a message.
    exempt: bool,
    keys: Keys<'a>,
}

impl Default for Rules<'_> {
    fn default() -> Self {
        Self {
            depth: 0,
            max_depth: MAX_DEPTH,
            members: 0,
            exempt: false,
            keys: Keys::default(),
        }
    }
}

impl Rules<'_> {
    fn inside_data(max_depth: usize) -> Self {
        Self {
            max_depth,
            members: usize::MAX,
            exempt: true,
            ..Self::default()
        }
    }

    /// Whether the next key or value is a member of a message that is no element of an array.
    #[inline]
    pub(super) fn is_at_top(&self) -> bool {
        self.depth == 1 && self.members == 1
    }

    /// The first bracket tells a message from an array of messages, each of which has its depth to itself.
    fn first_bracket(&mut self, bracket: Bracket) {
        match bracket {
            Bracket::Object => self.members = 1,
            Bracket::Array => (self.members, self.max_depth) = (2, MAX_OPEN),
        }
    }
}

impl<'a> Visitor<'a> for Rules<'a> {
    #[inline]
    fn open(&mut self, bracket: Bracket) -> Result<(), &'static str> {
        if self.members == 0 {
            self.first_bracket(bracket);
        }
        self.depth = self.depth.saturating_add(1);
        if self.depth > self.max_depth {
            return Err("expected at most 32 levels of nesting");
        }
        if bracket == Bracket::Object && !self.exempt {
            self.keys.open();
        }
        Ok(())
    }

    #[inline]
    fn close(&mut self, bracket: Bracket) -> Result<(), &'static str> {
        // The message that ends here had its last member exempt, but not its keys.
        self.exempt &= self.depth != self.members;
        let different = self.exempt || bracket == Bracket::Array || self.keys.close();
        self.depth = self.depth.saturating_sub(1);
        if different {
            Ok(())
        } else {
            Err("expected each key once in the object that ends")
        }
    }

    #[inline]
    fn key(&mut self, key: Str<'a>) -> Result<(), &'static str> {
        let of_message = self.depth == self.members;
        if self.exempt && !of_message {
            return Ok(());
        }
        if !self.keys.insert(key) {
            return Err("expected each key once in an object");
        }
        if of_message {
            self.exempt = key.is("data") || key.is("payload");
        }
        Ok(())
    }

    #[inline]
    fn string(&mut self, _: Str<'a>) -> Result<(), &'static str> {
        Ok(())
    }

    #[inline]
    fn number(&mut self, number: Number<'a>) -> Result<(), &'static str> {
        match (number.integer, self.exempt) {
            (false, _) if !number.is_finite() => {
                Err("expected a number that a 64-bit float can hold")
            }
            (true, false) if !number.is_safe() => {
                Err("expected an integer from -(2^53-1) to 2^53-1")
            }
            (true, true) if !number.is_native() => Err("expected an integer from -2^63 to 2^64-1"),
            _ => Ok(()),
        }
    }

    #[inline]
    fn literal(&mut self, _: Literal) -> Result<(), &'static str> {
        Ok(())
    }
}
