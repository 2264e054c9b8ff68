//! The members of a message, found while it is checked: whoever reads a message natively walks it once.

use super::JsonFault;
use super::lexer::{Literal, Str};
use super::number::Number;
use super::scan::Rules;
use super::walk::{Bracket, Visitor, walk};

/// A part of a text, or of what stands behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub from: u32,
    /// The byte behind the last.
    pub to: u32,
}

impl Span {
    /// What stands there.
    pub fn of(self, text: &[u8]) -> &[u8] {
        let range = self.from as usize..self.to as usize;
        text.get(range).unwrap_or_default()
    }

    /// The same without its quotes.
    #[must_use]
    pub fn inside(self) -> Self {
        Self {
            from: self.from.saturating_add(1),
            to: self.to.saturating_sub(1),
        }
    }

    /// Where something stands; texts are below 4 GiB (see [`walk`]).
    pub fn at(from: usize, to: usize) -> Self {
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            from: place(from),
            to: place(to),
        }
    }
}

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without sign, point and exponent.
    Natural,
    /// Any other number.
    Number,
    /// A string that reads as it is written.
    Plain,
    /// A string with escapes.
    Escaped,
    /// An object or an array.
    Nested,
}

/// One member of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name with the quotes.
    pub key: Span,
    /// Its value, quotes and brackets included.
    pub value: Span,
    /// What that is.
    pub kind: Kind,
    /// The name is not written as it reads.
    pub is_key_escaped: bool,
}

/// As [`super::check`], and of one message also its members, in order; of an array of messages none.
pub fn check_members(text: &[u8], members: &mut Vec<Member>) -> Result<(), JsonFault> {
    members.clear();
    let mut top = Top {
        rules: Rules::default(),
        members,
        here: Span::default(),
    };
    walk(text, &mut top)
}

#[derive(Debug)]
struct Top<'a, 'm> {
    rules: Rules<'a>,
    members: &'m mut Vec<Member>,
    here: Span,
}

impl Top<'_, '_> {
    /// A scalar, or the beginning of what is none.
    #[inline]
    fn value(&mut self, kind: Kind) {
        if self.rules.is_at_top()
            && let Some(member) = self.members.last_mut()
        {
            (member.value, member.kind) = (self.here, kind);
        }
    }
}

impl<'a> Visitor<'a> for Top<'a, '_> {
    #[inline]
    fn stands(&mut self, from: usize, to: usize) {
        self.here = Span::at(from, to);
    }

    #[inline]
    fn open(&mut self, bracket: Bracket) -> Result<(), &'static str> {
        self.value(Kind::Nested);
        self.rules.open(bracket)
    }

    #[inline]
    fn close(&mut self, bracket: Bracket) -> Result<(), &'static str> {
        self.rules.close(bracket)?;
        if self.rules.is_at_top()
            && let Some(member) = self.members.last_mut()
        {
            member.value.to = self.here.from.saturating_add(1);
        }
        Ok(())
    }

    #[inline]
    fn key(&mut self, key: Str<'a>) -> Result<(), &'static str> {
        if self.rules.is_at_top() {
            self.members.push(Member {
                key: self.here,
                value: Span::default(),
                kind: Kind::Null,
                is_key_escaped: key.escaped,
            });
        }
        self.rules.key(key)
    }

    #[inline]
    fn string(&mut self, string: Str<'a>) -> Result<(), &'static str> {
        self.value(if string.escaped {
            Kind::Escaped
        } else {
            Kind::Plain
        });
        self.rules.string(string)
    }

    #[inline]
    fn number(&mut self, number: Number<'a>) -> Result<(), &'static str> {
        self.value(if number.integer && !number.negative {
            Kind::Natural
        } else {
            Kind::Number
        });
        self.rules.number(number)
    }

    #[inline]
    fn literal(&mut self, literal: Literal) -> Result<(), &'static str> {
        self.value(if literal == Literal::Null {
            Kind::Null
        } else {
            Kind::Boolean
        });
        self.rules.literal(literal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Option<Vec<(String, String, Kind)>> {
        let mut members = Vec::new();
        check_members(text.as_bytes(), &mut members).ok()?;
        let part = |span: Span| String::from_utf8(span.of(text.as_bytes()).to_vec()).unwrap();
        let named = members
            .iter()
            .map(|one| (part(one.key.inside()), part(one.value), one.kind));
        Some(named.collect())
    }

    /// M1, M29: each member with its whole value, however deep that is, and nothing of what stands inside.
    #[test]
    fn members_are_found_where_they_stand() {
        let text = r#" { "a" : "x" ,"b":{"c":[1,{"d":null}]} , "e":[ ], "f":-1,"g":12,"h":1.5,"i":null,"j":true,"\u006b":"\n"} "#;
        let expected = [
            ("a", "\"x\"", Kind::Plain),
            ("b", r#"{"c":[1,{"d":null}]}"#, Kind::Nested),
            ("e", "[ ]", Kind::Nested),
            ("f", "-1", Kind::Number),
            ("g", "12", Kind::Natural),
            ("h", "1.5", Kind::Number),
            ("i", "null", Kind::Null),
            ("j", "true", Kind::Boolean),
            ("\\u006b", "\"\\n\"", Kind::Escaped),
        ];
        let expected = expected.map(|(key, value, kind)| (key.to_owned(), value.to_owned(), kind));
        assert_eq!(Some(expected.to_vec()), found(text));
        for without in ["1", "\"a\"", "[{\"a\":1}]", "{}", "[[{\"a\":1}]]"] {
            assert_eq!(Some(Vec::new()), found(without), "{without}");
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// M10-M13: what is let through is what the scan lets through, and the values are those that a parser finds.
        #[test]
        fn members_are_what_a_parser_finds(value in json()) {
            let text = value.to_string();
            let found = found(&text);
            prop_assert_eq!(found.is_some(), crate::json::check(text.as_bytes()).is_ok());
            if let (serde_json::Value::Object(members), Some(found)) = (value, found) {
                prop_assert_eq!(members.len(), found.len());
                for ((key, value), (name, text, _)) in members.iter().zip(&found) {
                    let name: String = serde_json::from_str(&format!("\"{name}\"")).unwrap();
                    prop_assert_eq!(key, &name);
                    prop_assert_eq!(value, &serde_json::from_str::<serde_json::Value>(text).unwrap());
                }
            }
        }
    }
}
