//! Looking at an event: nothing is read before it is asked for, and then once for all who ask.

use crate::entry::Entry;
use crate::json::{Finder, Paths, Text, Value};

/// What a filter looks at. Members of the message are found in it by their names, so an entry has whatever its message has.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The name of the event.
    pub event: &'a str,
    /// The key, where it has one.
    pub key: Option<&'a str>,
    /// The `event` message as JSON, or as much of it as is JSON: without `data` where that is not (F10).
    pub message: &'a [u8],
}

impl<'a> From<&'a Entry> for Subject<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            event: entry.event(),
            key: entry.key(),
            message: entry.json(),
        }
    }
}

/// Bytes of [`Scratch::room`] that are kept.
const ROOM: usize = 64 << 10;

/// Memory that one who evaluates uses again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    finder: Finder,
    /// For strings as they read.
    pub room: Vec<u8>,
}

/// One event while it is judged.
#[derive(Debug)]
pub struct Look<'a> {
    subject: Subject<'a>,
    paths: &'a Paths,
    scratch: &'a mut Scratch,
    is_read: bool,
}

impl<'a> Look<'a> {
    /// Nothing is read of it yet.
    pub fn new(subject: &Subject<'a>, paths: &'a Paths, scratch: &'a mut Scratch) -> Self {
        if scratch.room.capacity() > ROOM {
            scratch.room = Vec::new();
        }
        Self {
            subject: *subject,
            paths,
            scratch,
            is_read: false,
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
        if !std::mem::replace(&mut self.is_read, true) {
            self.scratch.finder.look(self.paths, self.subject.message);
        }
        self.scratch.finder.value(slot, self.subject.message)
    }

    /// For strings as they read.
    pub fn room(&mut self) -> &mut Vec<u8> {
        &mut self.scratch.room
    }
}
