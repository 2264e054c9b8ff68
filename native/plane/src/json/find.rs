//! What stands at some places of a JSON text, found by one pass over it without making anything of the rest.
//!
//! The text is one that was checked. One that was not ends the pass where it is wrong: what was found up to there stays.

use super::JsonFault;
use super::lexer::{Lexer, Literal};
use super::paths::{Paths, ROOT};
use super::value::{Text, Value};

/// A stretch of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: u32,
    end: u32,
}

impl Place {
    fn new(start: usize, end: usize) -> Self {
        // No text has 4 GiB; one that had would show nothing beyond.
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: place(start),
            end: place(end),
        }
    }

    fn of(self, text: &[u8]) -> &[u8] {
        let (start, end) = (usize::try_from(self.start), usize::try_from(self.end));
        let range = start.unwrap_or(usize::MAX)..end.unwrap_or(usize::MAX);
        text.get(range).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Found {
    #[default]
    Missing,
    Literal(Literal),
    Number(Place),
    Text(Place, bool),
    Array(Place),
    Object,
}

impl Found {
    /// The same in the text.
    fn of(self, text: &[u8]) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Literal(Literal::Null) => Value::Null,
            Self::Literal(literal) => Value::Bool(literal == Literal::True),
            Self::Number(place) => Value::Number(place.of(text)),
            Self::Text(place, escaped) => Value::Text(Text {
                raw: place.of(text),
                escaped,
            }),
            Self::Array(place) => Value::Array(place.of(text)),
            Self::Object => Value::Object,
        }
    }
}

/// A container on the way to something that is wanted.
#[derive(Clone, Copy, Debug)]
struct Frame {
    node: usize,
    /// Of an array, the index of the element that is read; `None` of an object.
    index: Option<u64>,
    start: usize,
}

/// Finds values; its memory is used again for the next text.
#[derive(Debug, Default)]
pub struct Finder {
    found: Vec<Found>,
    frames: Vec<Frame>,
    /// By node, the pass in which it was last entered.
    entered: Vec<u64>,
    pass: u64,
}

impl Finder {
    /// Look at a text for all of `paths`.
    pub fn look(&mut self, paths: &Paths, text: &[u8]) {
        self.found.clear();
        self.found.resize(paths.slots(), Found::Missing);
        if self.entered.len() < paths.nodes() {
            self.entered.resize(paths.nodes(), 0);
        }
        self.pass = self.pass.wrapping_add(1);
        self.frames.clear();
        // What follows a fault is as if it were not there.
        let _ = self.walk(paths, text);
    }

    /// What was found in a slot of `paths`, in the text that was looked at last.
    pub fn value<'a>(&self, slot: usize, text: &'a [u8]) -> Value<'a> {
        self.found.get(slot).copied().unwrap_or_default().of(text)
    }

    fn walk(&mut self, paths: &Paths, text: &[u8]) -> Result<(), JsonFault> {
        let mut lexer = Lexer::new(text);
        let mut next = Some(ROOT);
        loop {
            lexer.skip_space();
            let opened = if let Some(node) = next {
                self.value_at(paths, node, &mut lexer)?
            } else {
                skip(&mut lexer)?;
                false
            };
            if !opened {
                self.close(paths, &mut lexer);
            }
            let Some(frame) = self.frames.last_mut() else {
                return Ok(());
            };
            next = frame.next(paths, &mut lexer, opened)?;
        }
    }

    /// The value at a node; whether it is a container that was entered.
    fn value_at(
        &mut self,
        paths: &Paths,
        node: usize,
        lexer: &mut Lexer<'_>,
    ) -> Result<bool, JsonFault> {
        self.enter(paths, node);
        let start = lexer.at();
        let first = lexer.peek();
        let is_container = matches!(first, Some(b'{' | b'['));
        if is_container && !paths.is_leaf(node) {
            lexer.advance();
            lexer.skip_space();
            let index = (first == Some(b'[')).then_some(0);
            self.set(paths, node, index.map_or(Found::Object, |_| Found::Missing));
            self.frames.push(Frame { node, index, start });
            // An empty one is closed at once.
            return Ok(!matches!(lexer.peek(), Some(b'}' | b']')));
        }
        let found = scalar_or_span(lexer)?;
        self.set(paths, node, found);
        Ok(false)
    }

    /// M11: the last of several members counts, so what an earlier one had is forgotten.
    fn enter(&mut self, paths: &Paths, node: usize) {
        let Some(entered) = self.entered.get_mut(node) else {
            return;
        };
        if std::mem::replace(entered, self.pass) == self.pass {
            self.set(paths, node, Found::Missing);
            for below in paths.below(node) {
                let was_entered = self.entered.get(below) == Some(&self.pass);
                if was_entered {
                    self.enter(paths, below);
                }
            }
        }
    }

    fn set(&mut self, paths: &Paths, node: usize, found: Found) {
        if let Some(place) = paths.slot(node).and_then(|slot| self.found.get_mut(slot)) {
            *place = found;
        }
    }

    /// Containers that end here.
    fn close(&mut self, paths: &Paths, lexer: &mut Lexer<'_>) {
        loop {
            lexer.skip_space();
            if !matches!(lexer.peek(), Some(b'}' | b']')) {
                return;
            }
            lexer.advance();
            let Some(frame) = self.frames.pop() else {
                return;
            };
            if frame.index.is_some() {
                let place = Place::new(frame.start, lexer.at());
                self.set(paths, frame.node, Found::Array(place));
            }
        }
    }
}

impl Frame {
    /// The node of the next value in it, if anybody wants that; `first`: nothing was read of it yet.
    fn next(
        &mut self,
        paths: &Paths,
        lexer: &mut Lexer<'_>,
        first: bool,
    ) -> Result<Option<usize>, JsonFault> {
        if !first {
            if !lexer.eat(b',') {
                return Err(lexer.unexpected("expected , or a closing bracket"));
            }
            lexer.skip_space();
        }
        if let Some(index) = &mut self.index {
            *index = if first { 0 } else { index.saturating_add(1) };
            return Ok(paths.by_index(self.node, *index));
        }
        if !lexer.eat(b'"') {
            return Err(lexer.unexpected("expected a key in quotes"));
        }
        let key = lexer.string()?;
        lexer.skip_space();
        if !lexer.eat(b':') {
            return Err(lexer.unexpected("expected : after a key"));
        }
        Ok(paths.by_key(self.node, &key))
    }
}

/// The value that begins here, of which nothing is wanted but itself.
fn scalar_or_span(lexer: &mut Lexer<'_>) -> Result<Found, JsonFault> {
    let start = lexer.at();
    match lexer.peek() {
        Some(b'"') => {
            lexer.advance();
            let string = lexer.string()?;
            let place = Place::new(start.saturating_add(1), lexer.at().saturating_sub(1));
            Ok(Found::Text(place, string.escaped))
        }
        Some(b'-' | b'0'..=b'9') => {
            lexer.number()?;
            Ok(Found::Number(Place::new(start, lexer.at())))
        }
        Some(b'[') => {
            skip(lexer)?;
            Ok(Found::Array(Place::new(start, lexer.at())))
        }
        Some(b'{') => {
            skip(lexer)?;
            Ok(Found::Object)
        }
        _ => Ok(Found::Literal(lexer.literal()?)),
    }
}

/// The value that a text of ours consists of; an array is not looked into.
pub fn scalar(text: &[u8]) -> Value<'_> {
    if text.first() == Some(&b'[') {
        return Value::Array(text);
    }
    let found = scalar_or_span(&mut Lexer::new(text));
    found.unwrap_or_default().of(text)
}

/// Pass a value that nobody wants: only strings and brackets tell where it ends.
fn skip(lexer: &mut Lexer<'_>) -> Result<(), JsonFault> {
    let mut depth = 0_usize;
    loop {
        match lexer.peek() {
            Some(b'"') => {
                lexer.advance();
                lexer.string()?;
            }
            Some(b'{' | b'[') => {
                lexer.advance();
                depth = depth.saturating_add(1);
            }
            Some(b'}' | b']') if depth > 0 => {
                lexer.advance();
                depth = depth.saturating_sub(1);
            }
            Some(b',' | b':' | b' ' | b'\n' | b'\r' | b'\t') if depth > 0 => lexer.advance(),
            Some(b'-' | b'0'..=b'9') => {
                lexer.number()?;
            }
            _ => {
                lexer.literal()?;
            }
        }
        if depth == 0 {
            return Ok(());
        }
    }
}

/// The elements of an array, given from bracket to bracket; they end at a fault.
pub fn elements(array: &[u8]) -> impl Iterator<Item = Value<'_>> {
    let mut lexer = Lexer::new(array);
    let mut goes_on = lexer.eat(b'[');
    std::iter::from_fn(move || {
        lexer.skip_space();
        if !goes_on || lexer.peek() == Some(b']') {
            return None;
        }
        let found = scalar_or_span(&mut lexer).ok()?;
        lexer.skip_space();
        goes_on = lexer.eat(b',');
        Some(found.of(array))
    })
}
