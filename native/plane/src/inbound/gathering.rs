//! Where the publishes of a batch of events are kept until Python takes them.

use std::ops::Range;

use crate::inbound::publish::{self, Publish};
use crate::inbound::run::{Item, Run};
use crate::json::{JsonFault, Member, check_members};

/// Publishes of one run.
const MAX_RUN: usize = 256;

/// Bytes after which another run begins.
const MAX_BYTES: usize = 64 << 10;

/// All publishes of a batch, run after run.
#[derive(Debug, Default)]
pub struct Gathering {
    items: Vec<Item>,
    members: Vec<Member>,
}

impl Gathering {
    /// Check the text of a message (M10-M13) and see what it says; what a publish needs more of it is written behind `bytes`.
    pub fn read(
        &mut self,
        text: &[u8],
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Publish>, JsonFault> {
        check_members(text, &mut self.members)?;
        let len = bytes.len();
        bytes.extend_from_slice(text);
        let publish = publish::read(text, &self.members, bytes);
        if publish.is_none() {
            bytes.truncate(len + text.len());
        }
        Ok(publish)
    }

    /// One more, of which `item` says where it stands in `bytes`, if it goes on the run `former`: that with it.
    pub fn extend(&self, former: &Range<usize>, item: &Item, bytes: &[u8]) -> Option<Range<usize>> {
        let channel = |item: &Item| {
            let text = bytes.get(item.range()).unwrap_or_default();
            item.publish.channel.of(text)
        };
        let first = self.items.get(former.start)?;
        let fits = former.end == self.items.len()
            && former.len() < MAX_RUN
            && item.range().end - first.start <= MAX_BYTES
            && channel(first) == channel(item);
        fits.then(|| former.start..former.end + 1)
    }

    /// Keep it; its number.
    pub fn push(&mut self, item: Item) -> usize {
        self.items.push(item);
        self.items.len() - 1
    }

    /// A run on its own.
    pub fn run(&self, range: Range<usize>, bytes: &[u8]) -> Run {
        Run::new(bytes, self.items.get(range).unwrap_or_default())
    }

    /// Nothing is kept any more.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// Room that it holds.
    pub fn capacity(&self) -> usize {
        self.items.capacity()
    }
}
