//! Where the members of a signal's `data` stand, as whoever wrote it knows: filters read them there, and nothing around them.

use space::{DIMENSIONS, Vector};

use crate::json::{Value, elements, scalar};

/// The members, in the order of their marks.
pub const MARKED: [&str; 7] = [
    "token_id",
    "vector",
    "priority",
    "is_novel",
    "nearest_dist",
    "anomaly_score",
    "node",
];
/// Which of them is the vector, and its length: its coordinates are known as well.
const VECTOR: (&str, usize) = ("vector", DIMENSIONS);

/// A value in `data`: its first byte, and the one behind its last.
pub type Mark = (u16, u16);

/// The marks of one entry.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Marks {
    /// Where `data` begins in what is looked at.
    from: u32,
    all: [Mark; MARKED.len()],
    /// What is written as the vector, in single precision.
    vector: Vector,
}

/// What one mark, or a part of what stands there, is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    member: usize,
    element: Option<usize>,
}

impl Marked {
    /// What a path from the message down leads to, if that is marked.
    pub fn of<'s>(mut path: impl Iterator<Item = &'s str>) -> Option<Self> {
        if path.next() != Some("data") {
            return None;
        }
        let (name, element) = (path.next()?, path.next());
        let member = MARKED.iter().position(|marked| *marked == name)?;
        let Some(element) = element else {
            return Some(Self {
                member,
                element: None,
            });
        };
        let (vector, len) = VECTOR;
        let known = (0..len).find(|one| one.to_string() == element);
        if name != vector || path.next().is_some() {
            return None;
        }
        known.map(|element| Self {
            member,
            element: Some(element),
        })
    }
}

impl Marks {
    /// Marks in `data` by itself; `vector` is what is written shortest there.
    pub fn new(all: [Mark; MARKED.len()], vector: Vector) -> Self {
        Self {
            from: 0,
            all,
            vector,
        }
    }

    /// All of the vector, if that is what is asked for.
    pub fn vector(&self, marked: Marked) -> Option<&Vector> {
        let is_vector = MARKED.get(marked.member) == Some(&VECTOR.0);
        (is_vector && marked.element.is_none()).then_some(&self.vector)
    }

    /// The same where `data` begins at a byte of a text; `None` for a text so long that no entry is.
    #[must_use]
    pub fn behind(self, from: usize) -> Option<Self> {
        let from = u32::try_from(from).ok()?;
        Some(Self { from, ..self })
    }

    /// What stands there.
    pub fn value<'a>(&self, marked: Marked, text: &'a [u8]) -> Value<'a> {
        let (start, end) = self.all.get(marked.member).copied().unwrap_or_default();
        let from = usize::try_from(self.from).unwrap_or(usize::MAX);
        let place = |at: u16| from.saturating_add(usize::from(at));
        let text = text.get(place(start)..place(end)).unwrap_or_default();
        match marked.element {
            None => scalar(text),
            Some(element) => elements(text).nth(element).unwrap_or(Value::Missing),
        }
    }
}
