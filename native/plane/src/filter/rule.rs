//! What a filter says: conditions, and the members of the message that they are about.

use std::sync::Arc;

use crate::filter::holds;
use crate::filter::look::{Look, Scratch, Subject};
use crate::filter::member::{Member, Places};
use crate::filter::node::Node;

/// A filter in one form, however it was written; cheap to copy.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The conditions.
    pub node: Arc<Node>,
    /// What they are about.
    pub places: Arc<Places>,
}

impl Rule {
    /// Conditions whose members have their numbers in `former`.
    pub fn new(mut node: Node, former: &[Member]) -> Self {
        let mut members = Vec::new();
        node.renumber(former, &mut members);
        Self {
            node: Arc::new(node),
            places: Arc::new(Places::new(members)),
        }
    }

    /// Both (F12).
    pub fn and(&self, other: &Self) -> Self {
        let mut members = self.places.all.to_vec();
        let (one, mut another) = (Node::clone(&self.node), Node::clone(&other.node));
        another.renumber(&other.places.all, &mut members);
        Self::new(Node::all(vec![one, another], &members), &members)
    }

    /// What is left of it where a ball is known to hold the vector that it asks of.
    #[must_use]
    pub fn given_ball(&self) -> Self {
        Self {
            node: Arc::new(self.node.given_ball()),
            places: Arc::clone(&self.places),
        }
    }

    /// The one text that equal rules have.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.node.write(&self.places.all, &mut text);
        text
    }

    /// Whether another says the same.
    pub fn is(&self, other: &Self) -> bool {
        self.places.all == other.places.all && self.node == other.node
    }

    /// Whether more must be known of an event than what stands beside its `data`.
    pub fn looks_into_data(&self) -> bool {
        let mut members = self.places.all.iter();
        members.any(|member| member.steps().next() == Some("data"))
    }

    /// Bytes of its conditions.
    pub fn held(&self) -> usize {
        2 * size_of::<usize>() + size_of::<Node>() + self.node.held()
    }

    /// Whether it lets through what is looked at.
    pub fn passes(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> bool {
        let mut look = Look::new(subject, &self.places.paths, scratch);
        holds::holds(&self.node, &self.places.slots, &mut look)
    }
}
