//! A short JSON text as a tree, for those who have to understand it; what passes through is never made one.

use super::JsonFault;
use super::escape::unescape_into;
use super::exact::Exact;
use super::lexer::{Literal, Str};
use super::number::Number;
use super::scan::check_utf8;
use super::walk::{Bracket, Visitor, walk};

/// Any JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that 64 bits hold.
    Number(Exact),
    /// A string as it reads.
    Text(String),
    /// The elements.
    Array(Vec<Tree>),
    /// The members in their order, each key once.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// The value that a text consists of; its memory is a small multiple of the text, so that is to be bounded before.
    pub fn parse(text: &[u8]) -> Result<Self, JsonFault> {
        check_utf8(text)?;
        let mut builder = Builder::default();
        walk(text, &mut builder)?;
        Ok(builder.whole.unwrap_or(Self::Null))
    }

    /// What it is, in a word or two.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Arrays and objects that are open, each with the key that its value belongs to.
#[derive(Default)]
struct Builder {
    open: Vec<(Tree, String)>,
    key: String,
    whole: Option<Tree>,
}

impl Builder {
    fn add(&mut self, value: Tree) {
        match self.open.last_mut() {
            Some((Tree::Array(elements), _)) => elements.push(value),
            Some((Tree::Object(members), _)) => {
                members.push((std::mem::take(&mut self.key), value));
            }
            _ => self.whole = Some(value),
        }
    }
}

fn read(string: &Str<'_>) -> String {
    let mut out = Vec::new();
    unescape_into(&mut out, string.raw);
    // The text is UTF-8, and so are its parts.
    String::from_utf8(out).unwrap_or_default()
}

impl<'a> Visitor<'a> for Builder {
    fn open(&mut self, bracket: Bracket) -> Result<(), &'static str> {
        let empty = match bracket {
            Bracket::Array => Tree::Array(Vec::new()),
            Bracket::Object => Tree::Object(Vec::new()),
        };
        self.open.push((empty, std::mem::take(&mut self.key)));
        Ok(())
    }

    fn close(&mut self, _: Bracket) -> Result<(), &'static str> {
        if let Some((value, key)) = self.open.pop() {
            self.key = key;
            self.add(value);
        }
        Ok(())
    }

    fn key(&mut self, key: Str<'a>) -> Result<(), &'static str> {
        let key = read(&key);
        if let Some((Tree::Object(members), _)) = self.open.last()
            && members.iter().any(|(other, _)| *other == key)
        {
            return Err("expected each key once in an object");
        }
        self.key = key;
        Ok(())
    }

    fn string(&mut self, string: Str<'a>) -> Result<(), &'static str> {
        self.add(Tree::Text(read(&string)));
        Ok(())
    }

    fn number(&mut self, number: Number<'a>) -> Result<(), &'static str> {
        if number.integer && !number.is_native() {
            return Err("expected an integer from -2^63 to 2^64-1");
        }
        let value = Exact::of(&number).ok_or("expected a number that a 64-bit float can hold")?;
        self.add(Tree::Number(value));
        Ok(())
    }

    fn literal(&mut self, literal: Literal) -> Result<(), &'static str> {
        self.add(match literal {
            Literal::Null => Tree::Null,
            Literal::False => Tree::Bool(false),
            Literal::True => Tree::Bool(true),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Everything stands where it stood, as it reads.
    #[test]
    fn a_text_becomes_a_tree() {
        let text = r#" {"a":[1,{"\u0062":null},[]],"c":{"d":{},"e":true},"f":"x\n"} "#;
        let object = |members: Vec<(&str, Tree)>| {
            Tree::Object(
                members
                    .into_iter()
                    .map(|(key, one)| (key.into(), one))
                    .collect(),
            )
        };
        let expected = object(vec![
            (
                "a",
                Tree::Array(vec![
                    Tree::Number(Exact::Natural(1)),
                    object(vec![("b", Tree::Null)]),
                    Tree::Array(vec![]),
                ]),
            ),
            (
                "c",
                object(vec![("d", object(vec![])), ("e", Tree::Bool(true))]),
            ),
            ("f", Tree::Text("x\n".into())),
        ]);
        assert_eq!(expected, Tree::parse(text.as_bytes()).unwrap());
        assert_eq!(Tree::Text("s".into()), Tree::parse(b"\"s\"").unwrap());
    }

    /// M11, M13: what is no JSON, says a key twice, or holds a number that 64 bits do not.
    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,\"\\u0061\":2}",
            "1e400",
            "18446744073709551616",
            "1 2",
            "\"\u{7f}",
        ] {
            assert!(Tree::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Tree::parse(b"\"\xff\"").is_err());
    }
}
