//! Filters of subscriptions (protocol section 9): read strictly and bounded, evaluated without making anything of an event.
//!
//! [`Filter`] is what was read; [`Sieve`] is a filter on one channel, with what it has let through. Equal filters of a channel
//! are one sieve, and whatever a sieve has judged once it knows: for all subscribers, replays and counts.

mod condition;
mod fault;
mod glob;
mod grammar;
mod group;
mod holds;
mod index;
mod keys;
mod literal;
mod look;
mod member;
mod named;
mod near;
mod node;
mod notes;
mod past;
mod rests;
mod roster;
mod rule;
mod sieve;
mod sifted;
#[cfg(test)]
mod tests;
mod totals;
mod verdicts;

pub use fault::FilterFault;
pub use grammar::Limits;
pub use look::{Scratch, Subject};
pub use past::{judge_past, unjudged};
pub use roster::{Hit, Roster};
pub use sieve::Sieve;
pub use sifted::Sifted;
pub use totals::{Bounds, Totals};

use node::Node;
use rule::Rule;

/// A filter that was read: in one form, however it was written.
#[derive(Clone, Debug)]
pub struct Filter {
    rule: Rule,
    received: Box<[u8]>,
}

impl Filter {
    /// Read a JSON text by F1 to F9.
    pub fn parse(text: &[u8], limits: Limits) -> Result<Self, FilterFault> {
        let (node, members) = grammar::read(text, limits)?;
        Ok(Self {
            rule: Rule::new(node, &members),
            received: text.into(),
        })
    }

    /// What passes both (F12).
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let rule = self.rule.and(&other.rule);
        Self {
            received: rule.text().into(),
            rule,
        }
    }

    /// The one form that equal filters have, itself a filter.
    pub fn text(&self) -> Vec<u8> {
        self.rule.text()
    }

    /// Whether another says the same, however it was written.
    pub fn is(&self, other: &Self) -> bool {
        self.rule.is(&other.rule)
    }

    /// As it was read.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// It is `{}`, or says as much.
    pub fn is_open(&self) -> bool {
        matches!(&*self.rule.node, Node::All(nodes) if nodes.is_empty())
    }

    /// Whether more must be known of an event than what stands beside its `data`.
    pub fn looks_into_data(&self) -> bool {
        self.rule.looks_into_data()
    }

    /// Whether it lets through what is looked at.
    pub fn passes(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> bool {
        self.rule.passes(subject, scratch)
    }
}
