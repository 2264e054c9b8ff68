//! Publishes that an I/O thread takes by itself, gathered while the input of one connection is parsed.

use std::ops::Range;
use std::sync::Arc;

use crate::channel::Held;
use crate::inbound::gathering::Gathering;
use crate::inbound::grants::Grants;
use crate::inbound::run::{Item, Run};

/// Capacity up to which memory is kept for the next input.
const KEPT: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub struct Direct {
    gathering: Gathering,
    bytes: Vec<u8>,
    runs: Vec<(Held, Range<usize>)>,
}

impl Direct {
    /// Whether the message `text`, the newest of `count`, was taken. Anything that is no plain publish that a grant covers is left
    /// alone: the same text is then looked at by those who say what is wrong with it.
    pub fn take(&mut self, grants: &mut Grants, text: &[u8], count: u64, now: f64) -> bool {
        if !grants.is_clear(count) {
            return false;
        }
        let start = self.bytes.len();
        let taken = self.read(grants, text, now);
        if !taken {
            self.bytes.truncate(start);
        }
        taken
    }

    fn read(&mut self, grants: &mut Grants, text: &[u8], now: f64) -> bool {
        let start = self.bytes.len();
        let Ok(Some(publish)) = self.gathering.read(text, &mut self.bytes) else {
            return false;
        };
        let item = Item {
            start,
            text: text.len(),
            len: self.bytes.len() - start,
            publish,
        };
        let channel = item
            .text_of(publish.channel, &self.bytes)
            .and_then(|name| grants.take(name, &publish, text.len(), now));
        let Some(channel) = channel else {
            return false;
        };
        let longer = self.runs.last_mut().and_then(|(former, run)| {
            let longer = self.gathering.extend(run, &item, &self.bytes)?;
            Arc::ptr_eq(former, &channel).then_some((run, longer))
        });
        if let Some((run, longer)) = longer {
            *run = longer;
            self.gathering.push(item);
        } else {
            let number = self.gathering.push(item);
            self.runs.push((channel, number..number + 1));
        }
        true
    }

    /// Nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// What was taken, in the order in which it came: runs of one channel each.
    pub fn runs(&self) -> impl Iterator<Item = (&Held, Run<'_>)> {
        self.runs.iter().map(|(channel, range)| {
            let run = self.gathering.run(range.clone(), &self.bytes);
            (channel, run)
        })
    }

    /// Nothing of it is left.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.gathering.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }
}
