//! Filters of subscriptions (protocol section 9): read strictly and bounded, evaluated without making anything of an event.
//!
//! [`Filter`] is what was read; [`Sieve`] is a filter on one channel, with what it has let through. Equal filters of a channel
//! are one sieve, and whatever a sieve has judged once it knows: for all subscribers, replays and counts.

mod condition;
mod fault;
mod files;
mod glob;
mod grammar;
mod holds;
mod keys;
mod literal;
mod look;
mod named;
mod near;
mod node;
mod past;
mod sieve;
mod sieves;
mod sifted;
#[cfg(test)]
mod tests;
mod totals;
mod verdicts;

use std::sync::Arc;

use crate::json::Paths;

pub use fault::FilterFault;
pub use grammar::Limits;
pub use look::{Scratch, Subject};
pub use past::{judge_past, unjudged};
pub use sieve::Sieve;
pub use sieves::{Hit, Sieves};
pub use sifted::Sifted;
pub use totals::{Bounds, Totals};

use look::Look;
use node::{Node, Path};

/// A filter that was read: in one form, however it was written.
#[derive(Clone, Debug)]
pub struct Filter {
    node: Node,
    /// Members of the message that it looks at, each once.
    members: Vec<Path>,
    /// The same as they stand in [`Self::paths`].
    slots: Vec<usize>,
    paths: Paths,
    text: Arc<[u8]>,
    received: Box<[u8]>,
}

impl Filter {
    /// Read a JSON text by F1 to F9.
    pub fn parse(text: &[u8], limits: Limits) -> Result<Self, FilterFault> {
        let node = grammar::read(text, limits)?;
        let mut filter = Self::of(node);
        filter.received = text.into();
        Ok(filter)
    }

    fn of(mut node: Node) -> Self {
        let mut members = Vec::new();
        node.number_members(&mut members);
        let mut paths = Paths::default();
        let slots = members.iter().map(|path| paths.insert(path.steps()));
        let slots = slots.collect();
        let mut text = Vec::new();
        node.write(&mut text);
        Self {
            node,
            members,
            slots,
            paths,
            received: text.as_slice().into(),
            text: text.into(),
        }
    }

    /// What passes both (F12).
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = vec![self.node.clone(), other.node.clone()];
        Self::of(Node::all(both))
    }

    /// The one form that equal filters have, itself a filter.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// As it was read.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// It is `{}`, or says as much.
    pub fn is_open(&self) -> bool {
        matches!(&self.node, Node::All(nodes) if nodes.is_empty())
    }

    /// Whether more must be known of an event than what stands beside its `data`.
    pub fn looks_into_data(&self) -> bool {
        let mut members = self.members.iter();
        members.any(|path| path.steps().next() == Some("data"))
    }

    /// Bytes that it holds, roughly.
    fn size(&self) -> usize {
        let paths = self.members.iter().map(|path| 128 + path.name.len());
        self.node.size() + self.text.len() + self.received.len() + paths.sum::<usize>()
    }

    /// Whether it lets through what is looked at.
    pub fn passes(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> bool {
        let mut look = Look::new(subject, &self.paths, scratch);
        holds::holds(&self.node, &self.slots, &mut look)
    }
}
