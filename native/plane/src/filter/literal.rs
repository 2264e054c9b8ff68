//! Literals: what values are compared with (F3, F5).

use std::cmp::Ordering;

use crate::json::{Exact, Text, Tree, Value, escape};

/// A string, a number, a boolean or `null`.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// By its mathematical value.
    Number(Exact),
    /// By code points.
    Text(Box<str>),
}

impl Literal {
    /// The literal that a tree is, if it is one.
    pub fn of(tree: &Tree) -> Option<Self> {
        match tree {
            Tree::Null => Some(Self::Null),
            Tree::Bool(value) => Some(Self::Bool(*value)),
            Tree::Number(number) => Some(Self::Number(*number)),
            Tree::Text(text) => Some(Self::Text(text.as_str().into())),
            Tree::Array(_) | Tree::Object(_) => None,
        }
    }

    /// Bytes that it holds apart from itself.
    pub fn held(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// Whether a value equals it; nothing is converted (F5).
    pub fn equals(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::Number(one), Value::Number(digits)) => Exact::parse(digits) == Some(*one),
            (Self::Text(one), Value::Text(text)) => text.is(one),
            _ => false,
        }
    }

    /// As JSON, one form for each value.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => escape::write_str(out, text),
        }
    }
}

/// What `gt` and the like compare with.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A number.
    Number(Exact),
    /// A string.
    Text(Box<str>),
}

impl Bound {
    /// Bytes that it holds apart from itself.
    pub fn held(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(_) => 0,
        }
    }

    /// How a value stands to it, if it is of the same type.
    pub fn order(&self, value: &Value<'_>) -> Option<Ordering> {
        match (self, value) {
            (Self::Number(bound), Value::Number(digits)) => {
                Exact::parse(digits).map(|number| number.order(bound))
            }
            (Self::Text(bound), Value::Text(text)) => Some(text.order(bound)),
            _ => None,
        }
    }

    /// As JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => Literal::Number(*number).write(out),
            Self::Text(text) => escape::write_str(out, text),
        }
    }
}

/// `contains`: a substring of a string, or an element of an array.
pub fn contains(value: &Value<'_>, literal: &Literal, room: &mut Vec<u8>) -> bool {
    match (value, literal) {
        (Value::Text(text), Literal::Text(part)) => text.contains(part, room),
        (Value::Array(array), _) => crate::json::elements(array).any(|one| literal.equals(&one)),
        _ => false,
    }
}

/// `prefix`
pub fn has_prefix(value: &Value<'_>, prefix: &str) -> bool {
    matches!(value, Value::Text(text) if Text::starts_with(text, prefix))
}
