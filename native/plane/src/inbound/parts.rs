//! Publishes that become one append, whoever sent them, and their answers.

use std::sync::Arc;

use crate::epoch::Position;
use crate::inbound::run::{OwnRun, Run};
use crate::members::Members;

/// The first publishes of a run.
#[derive(Clone, Debug)]
pub struct Part {
    /// Who sent them.
    pub conn: u64,
    /// The run.
    pub run: Arc<OwnRun>,
    /// How many of it.
    pub count: usize,
}

/// Parts of runs of one channel, in the order of their places.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The parts.
    pub parts: Vec<Part>,
}

impl Parts {
    /// How many publishes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.count).sum()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a log takes.
    pub fn members(&self) -> impl Iterator<Item = Members<'_>> {
        self.parts
            .iter()
            .flat_map(|part| part.run.as_run().members().take(part.count))
    }

    /// The `ack` of each that has an id (M30), where the first has its place at `first`; nothing to those that `is_over` says
    /// are told nothing any more.
    pub fn answers(&self, first: &Position, is_over: impl Fn(u64) -> bool) -> Vec<Answers> {
        let mut offset = first.offset;
        let mut all: Vec<Answers> = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let place = first.epoch.position(offset);
            offset += part.count as u64;
            if is_over(part.conn) {
                continue;
            }
            let answers = Answers::to(part.conn, part.run.as_run(), part.count, &place);
            if !answers.ends.is_empty() {
                all.push(answers);
            }
        }
        all
    }
}

/// Bytes of an `ack` beside its names, unless its id is long.
const ABOUT: usize = 64;

/// Messages to one connection, one behind the other.
#[derive(Debug)]
pub struct Answers {
    /// The connection.
    pub conn: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Answers {
    /// To those of the first `count` of a run that have an id; the first has its place at `first`.
    pub fn to(conn: u64, run: Run<'_>, count: usize, first: &Position) -> Self {
        let (channel, epoch) = (run.channel(), first.epoch.as_str());
        let mut answers = Self {
            conn,
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        for (id, place) in run.ids().take(count).zip(first.offset..) {
            if let Some(id) = id {
                if answers.ends.is_empty() {
                    let about = channel.len() + epoch.len() + ABOUT;
                    answers.bytes.reserve(count * about);
                    answers.ends.reserve(count);
                }
                answers.ack(id, channel, epoch, place);
            }
        }
        answers
    }

    fn ack(&mut self, id: &[u8], channel: &str, epoch: &str, offset: u64) {
        let out = &mut self.bytes;
        out.extend_from_slice(br#"{"type":"ack","id":"#);
        out.extend_from_slice(id);
        out.extend_from_slice(br#","positions":{""#);
        // A name has nothing that would have to be escaped, nor has an epoch (M16, P2).
        out.extend_from_slice(channel.as_bytes());
        out.extend_from_slice(br#"":""#);
        out.extend_from_slice(epoch.as_bytes());
        out.push(b':');
        crate::entry::write_number(out, offset);
        out.extend_from_slice(br#""}}"#);
        self.ends.push(out.len());
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        let mut start = 0;
        let sizes = self.ends.iter().map(|end| {
            let size = end - start;
            start = *end;
            size
        });
        sizes.max().unwrap_or(0)
    }

    /// The messages.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let message = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            message
        })
    }
}
