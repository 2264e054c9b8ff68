//! Publishes of one connection to one channel, as they came one after the other.

use std::ops::Range;

use crate::inbound::publish::Publish;
use crate::json::Span;
use crate::members::Members;

/// One publish among others whose bytes stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Where its text begins.
    pub start: usize,
    /// Bytes of the text.
    pub text: usize,
    /// Bytes of the text and of what was written more.
    pub len: usize,
    /// What it says.
    pub publish: Publish,
}

impl Item {
    /// Its bytes.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// A part that was read as text, out of the bytes among which this stands.
    pub fn text_of<'a>(&self, span: Span, bytes: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(span.of(bytes.get(self.range())?)).ok()
    }
}

/// A run on its own.
#[derive(Debug)]
pub struct OwnRun {
    bytes: Box<[u8]>,
    items: Box<[Item]>,
}

impl OwnRun {
    /// A copy of `run`.
    pub fn new(run: Run<'_>) -> Self {
        let Run { bytes, items } = run;
        let start = items.first().map_or(0, |item| item.start);
        let end = items.last().map_or(0, |item| item.range().end);
        let moved = items.iter().map(|item| Item {
            start: item.start - start,
            ..*item
        });
        Self {
            items: moved.collect(),
            bytes: bytes.get(start..end).unwrap_or_default().into(),
        }
    }

    /// The run.
    pub fn as_run(&self) -> Run<'_> {
        Run {
            bytes: &self.bytes,
            items: &self.items,
        }
    }
}

/// See the module; at least one.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    bytes: &'a [u8],
    items: &'a [Item],
}

impl<'a> Run<'a> {
    /// `items` stand in `bytes`, one behind the other and alone from the first to the last.
    pub fn new(bytes: &'a [u8], items: &'a [Item]) -> Self {
        Self { bytes, items }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// None: never.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        self.items.iter().map(|item| item.text).max().unwrap_or(0)
    }

    /// Bytes of all of them, about.
    pub fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.len).sum()
    }

    /// Whether one of them carries a trace context.
    pub fn is_traced(&self) -> bool {
        self.items
            .iter()
            .any(|item| item.publish.traceparent.is_some())
    }

    /// Where they go.
    pub fn channel(&self) -> &'a str {
        self.items
            .first()
            .map_or("", |item| self.text(item, item.publish.channel))
    }

    /// The messages, as they came.
    pub fn frames(self) -> impl Iterator<Item = &'a [u8]> {
        self.items.iter().map(move |item| {
            let range = item.start..item.start + item.text;
            self.bytes.get(range).unwrap_or_default()
        })
    }

    /// The ids as JSON text, in their shortest form.
    pub fn ids(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        self.items
            .iter()
            .map(move |item| item.publish.id.map(|id| self.part(item, id)))
    }

    /// What a log takes of them.
    pub fn members(self) -> impl Iterator<Item = Members<'a>> {
        self.items.iter().map(move |item| {
            let publish = &item.publish;
            let text = |span| self.text(item, span);
            Members {
                event: text(publish.event),
                data: publish
                    .data
                    .map_or(&b"null"[..], |data| self.part(item, data)),
                key: publish.key.map(text),
                tags: publish.tags.map(|tags| self.part(item, tags)),
                traceparent: publish.traceparent.map(text),
                tracestate: publish.tracestate.map(text),
                content: None,
            }
        })
    }

    fn part(self, item: &Item, span: Span) -> &'a [u8] {
        span.of(self.bytes.get(item.range()).unwrap_or_default())
    }

    /// Texts were read as such before.
    fn text(self, item: &Item, span: Span) -> &'a str {
        std::str::from_utf8(self.part(item, span)).unwrap_or_default()
    }
}
