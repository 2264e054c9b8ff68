//! What is left to be asked of an event that filters were found for: many ask the same beside their balls, and it is decided
//! once for all of these.

use std::sync::Arc;

use hashbrown::HashTable;
use slab::Slab;

use crate::filter::group::{Shape, short, spread};
use crate::filter::holds::holds;
use crate::filter::look::Look;
use crate::filter::node::Node;

/// Conditions of filters that look at the same members.
#[derive(Debug)]
struct Rest {
    node: Arc<Node>,
    shape: u32,
    /// How many filters are left with them.
    filters: u32,
    /// The event that was looked at last, and whether they hold for it.
    event: u64,
    holds: bool,
}

/// All that is left to be asked by the filters of a channel.
#[derive(Debug, Default)]
pub struct Rests {
    all: Slab<Rest>,
    /// Their numbers, by what they say, of which each has a short hash beside it.
    numbers: HashTable<(u32, u32)>,
    /// The event that is looked at.
    event: u64,
}

impl Rests {
    /// Another filter is left with these conditions, whose hash this is. -> their number
    pub fn insert(&mut self, hash: u32, node: &Arc<Node>, shape: u32) -> u32 {
        let is_it = |(other, number): &(u32, u32)| {
            let rest = self.all.get(*number as usize);
            *other == hash && rest.is_some_and(|rest| rest.shape == shape && rest.node == *node)
        };
        let known = self.numbers.find(spread(hash), is_it);
        if let Some((_, number)) = known.copied() {
            if let Some(rest) = self.all.get_mut(number as usize) {
                rest.filters += 1;
            }
            return number;
        }
        let number = short(self.all.insert(Rest {
            node: Arc::clone(node),
            shape,
            filters: 1,
            event: 0,
            holds: false,
        }));
        let rehash = |(hash, _): &(u32, u32)| spread(*hash);
        self.numbers
            .insert_unique(spread(hash), (hash, number), rehash);
        number
    }

    /// One filter less is left with them. -> the shape that it has
    pub fn remove(&mut self, hash: u32, number: u32) -> Option<u32> {
        let rest = self.all.get_mut(number as usize)?;
        let shape = rest.shape;
        rest.filters -= 1;
        if rest.filters == 0 {
            self.all.remove(number as usize);
            let is_it = |(_, other): &(u32, u32)| *other == number;
            if let Ok(entry) = self.numbers.find_entry(spread(hash), is_it) {
                entry.remove();
            }
        }
        Some(shape)
    }

    /// Another event is looked at.
    pub fn begin(&mut self) {
        self.event += 1;
    }

    /// Whether they hold for the event that is looked at.
    #[inline]
    pub fn hold(&mut self, number: u32, shapes: &Slab<Shape>, look: &mut Look<'_>) -> bool {
        let Some(rest) = self.all.get_mut(number as usize) else {
            return false;
        };
        if rest.event != self.event {
            let shape = shapes.get(rest.shape as usize);
            rest.holds = shape.is_some_and(|shape| holds(&rest.node, &shape.slots, look));
            rest.event = self.event;
        }
        rest.holds
    }
}
