//! Looking at an event: nothing is read before it is asked for, and then once for all who ask.

use std::cell::OnceCell;

use space::{DIMENSIONS, Vector};

use crate::content::Kept;
use crate::entry::Entry;
use crate::filter::near;
use crate::json::{Finder, Paths, Text, Value};
use crate::marks::Marks;

/// What a filter looks at. Members of the message are found in it by their names, so an entry has whatever its message has.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The name of the event.
    pub event: &'a str,
    /// The key, where it has one.
    pub key: Option<&'a str>,
    /// The `event` message as JSON, or as much of it as is JSON: without `data` where that is not (F10).
    pub message: &'a [u8],
    encoded: Option<&'a Entry>,
    decoded: OnceCell<Vec<u8>>,
    /// Where a signal's members stand in the message.
    marks: Option<&'a Marks>,
}

impl<'a> Subject<'a> {
    /// An event that hides nothing.
    pub fn new(event: &'a str, key: Option<&'a str>, message: &'a [u8]) -> Self {
        Self {
            event,
            key,
            message,
            encoded: None,
            decoded: OnceCell::new(),
            marks: None,
        }
    }

    /// The same where members of a signal are known to stand.
    #[must_use]
    pub fn with_marks(self, marks: Option<&'a Marks>) -> Self {
        Self { marks, ..self }
    }

    /// The message with `data` that was encoded; decoded once, when a filter asks for it (F10).
    fn whole(&self) -> &[u8] {
        match self.encoded {
            None => self.message,
            Some(entry) => self.decoded.get_or_init(|| entry.json().into_owned()),
        }
    }
}

impl<'a> From<&'a Entry> for Subject<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            encoded: (entry.hidden() > 0).then_some(entry),
            marks: entry.marks(),
            ..Self::new(entry.event(), entry.key(), entry.head())
        }
    }
}

/// The member that may have to be decoded.
const DATA: &str = "data";

/// Bytes of [`Scratch::room`] that are kept.
const ROOM: usize = 64 << 10;

/// Memory that one who evaluates uses again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    finder: Finder,
    /// For those who send what was looked into.
    decoded: Kept,
    /// For strings as they read.
    pub room: Vec<u8>,
}

/// What was read of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Nothing,
    Message,
    Whole,
}

/// One event while it is judged.
#[derive(Debug)]
pub struct Look<'a> {
    subject: &'a Subject<'a>,
    paths: &'a Paths,
    scratch: &'a mut Scratch,
    read: Read,
    /// The slot that was read as a vector last, and what that is.
    vector: Option<(usize, Option<[f64; DIMENSIONS]>)>,
}

impl<'a> Look<'a> {
    /// Nothing is read of it yet.
    pub fn new(subject: &'a Subject<'a>, paths: &'a Paths, scratch: &'a mut Scratch) -> Self {
        if scratch.room.capacity() > ROOM {
            scratch.room = Vec::new();
        }
        Self {
            subject,
            paths,
            scratch,
            read: Read::Nothing,
            vector: None,
        }
    }

    /// The name of the event.
    pub fn event(&self) -> &'a str {
        self.subject.event
    }

    /// The key.
    pub fn key(&self) -> Value<'a> {
        let key = self.subject.key.map(Text::plain);
        key.map_or(Value::Missing, Value::Text)
    }

    /// What stands in a slot of the paths.
    pub fn value(&mut self, slot: usize) -> Value<'a> {
        if let Some(marks) = self.subject.marks
            && let Some(marked) = self.paths.marked(slot)
        {
            return marks.value(marked, self.subject.message);
        }
        let is_hidden = self.subject.encoded.is_some() && self.paths.begins_with(slot, DATA);
        let enough = if is_hidden || self.read == Read::Whole {
            Read::Whole
        } else {
            Read::Message
        };
        if enough == Read::Whole
            && self.read != Read::Whole
            && let Some(data) = self.subject.encoded.and_then(Entry::decoded)
        {
            self.scratch.decoded.keep(data);
        }
        let text = match enough {
            Read::Whole => self.subject.whole(),
            _ => self.subject.message,
        };
        if std::mem::replace(&mut self.read, enough) != enough {
            self.scratch.finder.look(self.paths, text);
        }
        self.scratch.finder.value(slot, text)
    }

    /// The vector that stands there, if it is one (F7); read once for all balls.
    pub fn vector(&mut self, slot: usize) -> Option<[f64; DIMENSIONS]> {
        if let Some((known, vector)) = self.vector
            && known == slot
        {
            return vector;
        }
        let vector = near::vector(&self.value(slot));
        self.vector = Some((slot, vector));
        vector
    }

    /// The same in single precision, where a signal says it.
    pub fn narrow_vector(&self, slot: usize) -> Option<Vector> {
        let marks = self.subject.marks?;
        marks.vector(self.paths.marked(slot)?).copied()
    }

    /// For strings as they read.
    pub fn room(&mut self) -> &mut Vec<u8> {
        &mut self.scratch.room
    }
}
