//! What is said about a payload (B6): JSON text that goes out as it is.

use super::JsonFault;
use super::keys::Keys;
use super::lexer::{Literal, Str};
use super::number::Number;
use super::walk::{Bracket, Visitor, walk};

const MAX_MEMBERS: usize = 32;
/// Bytes of the text: with it, the header of no media frame is longer than it may be (B4).
const MAX_META: usize = 32 << 10;

const OBJECT: &str = "expected an object of strings, numbers and booleans";

/// The members whose type is fixed, and what was expected of them.
const FORMAT: &str = "expected a string as format";
const SIZE: &str = "expected an integer from 1 to 65535 as width and height";
const DURATION: &str = "expected seconds of 0 or more as duration";
const RATE: &str = "expected an integer of 0 or more as sample_rate";

/// An object of at most 32 strings, numbers and booleans, each name once, those that are named above of their type; in UTF-8.
pub fn check_meta(text: &[u8]) -> Result<(), JsonFault> {
    super::scan::check_utf8(text)?;
    if text.len() > MAX_META {
        let (what, came) = ("expected at most 32 KiB", None);
        return Err(JsonFault {
            at: MAX_META,
            what,
            came,
        });
    }
    walk(text, &mut Meta::default())
}

/// What the value of a member has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Any,
    Format,
    Size,
    Duration,
    Rate,
}

impl Kind {
    fn of(key: &Str<'_>) -> Self {
        match () {
            () if key.is("format") => Self::Format,
            () if key.is("width") || key.is("height") => Self::Size,
            () if key.is("duration") => Self::Duration,
            () if key.is("sample_rate") => Self::Rate,
            () => Self::Any,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Any => OBJECT,
            Self::Format => FORMAT,
            Self::Size => SIZE,
            Self::Duration => DURATION,
            Self::Rate => RATE,
        }
    }
}

#[derive(Debug, Default)]
struct Meta<'a> {
    is_open: bool,
    count: usize,
    kind: Kind,
    keys: Keys<'a>,
}

impl Meta<'_> {
    /// A value that is good for the members it is `fit` for.
    fn value(&self, is_fit: impl Fn(Kind) -> bool) -> Result<(), &'static str> {
        match self.is_open {
            true if is_fit(self.kind) => Ok(()),
            true => Err(self.kind.expected()),
            false => Err(OBJECT),
        }
    }
}

impl<'a> Visitor<'a> for Meta<'a> {
    fn open(&mut self, bracket: Bracket) -> Result<(), &'static str> {
        if self.is_open || bracket != Bracket::Object {
            return Err(self.kind.expected());
        }
        self.is_open = true;
        self.keys.open();
        Ok(())
    }

    fn close(&mut self, _: Bracket) -> Result<(), &'static str> {
        if self.keys.close() {
            Ok(())
        } else {
            Err("expected each name once")
        }
    }

    fn key(&mut self, key: Str<'a>) -> Result<(), &'static str> {
        self.count = self.count.saturating_add(1);
        if self.count > MAX_MEMBERS {
            return Err("expected at most 32 members");
        }
        self.kind = Kind::of(&key);
        if self.keys.insert(key) {
            Ok(())
        } else {
            Err("expected each name once")
        }
    }

    fn string(&mut self, _: Str<'a>) -> Result<(), &'static str> {
        self.value(|kind| matches!(kind, Kind::Any | Kind::Format))
    }

    fn number(&mut self, number: Number<'a>) -> Result<(), &'static str> {
        let is_whole = |least, most| {
            let magnitude = number.magnitude().filter(|_| number.integer);
            magnitude.is_some_and(|value| {
                (least..=most).contains(&value) && (!number.negative || value == 0)
            })
        };
        self.value(|kind| match kind {
            Kind::Any if number.integer => number.is_safe(),
            Kind::Any => number.is_finite(),
            Kind::Format => false,
            Kind::Size => is_whole(1, 65_535),
            Kind::Duration => number.is_finite() && number.value() >= 0.0,
            Kind::Rate => number.is_safe() && is_whole(0, u64::MAX),
        })
    }

    fn literal(&mut self, literal: Literal) -> Result<(), &'static str> {
        self.value(|kind| kind == Kind::Any && literal != Literal::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<&'static str> {
        check_meta(text.as_bytes()).err().map(|fault| fault.what)
    }

    /// B6: types of the named members, and of the others; each name once.
    #[test]
    fn meta_is_a_small_object() {
        for text in [
            "{}",
            r#"{"format":"jpeg","width":1920,"height":1,"duration":0,"sample_rate":48000}"#,
            r#"{"duration":2.5,"camera":"north","gain":-1.5,"is_live":true, "note":"\u00e4"}"#,
        ] {
            assert_eq!(None, fault(text), "{text}");
        }
        for (text, what) in [
            ("[]", OBJECT),
            ("1", OBJECT),
            ("null", OBJECT),
            (r#"{"a":null}"#, OBJECT),
            (r#"{"a":{}}"#, OBJECT),
            (r#"{"a":[1]}"#, OBJECT),
            (r#"{"a":9007199254740992}"#, OBJECT),
            (r#"{"a":1e400}"#, OBJECT),
            (r#"{"format":1}"#, FORMAT),
            (r#"{"width":0}"#, SIZE),
            (r#"{"width":65536}"#, SIZE),
            (r#"{"height":1.0}"#, SIZE),
            (r#"{"height":"1"}"#, SIZE),
            (r#"{"hei\u0067ht":-1}"#, SIZE),
            (r#"{"duration":-0.1}"#, DURATION),
            (r#"{"duration":true}"#, DURATION),
            (r#"{"sample_rate":44100.5}"#, RATE),
            (r#"{"sample_rate":-1}"#, RATE),
            (r#"{"a":1,"\u0061":2}"#, "expected each name once"),
        ] {
            assert_eq!(Some(what), fault(text), "{text}");
        }
        let members = |count: usize| {
            let all: Vec<String> = (0..count).map(|n| format!("\"m{n}\":1")).collect();
            format!("{{{}}}", all.join(","))
        };
        assert_eq!(None, fault(&members(32)));
        assert_eq!(Some("expected at most 32 members"), fault(&members(33)));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_META));
        assert_eq!(Some("expected at most 32 KiB"), fault(&long));
        assert!(check_meta(b"{\"a\":\"\xff\"}").is_err() && fault("{} {}").is_some());
    }
}
