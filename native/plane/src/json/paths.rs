//! Places inside of a JSON text that somebody wants to know: keys of objects and indexes of arrays, from the root down.

use super::lexer::Str;
use crate::marks::Marked;

/// The node of the whole text.
pub(super) const ROOT: usize = 0;
/// Up to here a key is compared with every step, beyond it is searched among them.
const FEW: usize = 8;

/// Any number of paths, merged where they begin alike. Each has a slot, equal ones the same.
#[derive(Clone, Debug)]
pub struct Paths {
    nodes: Vec<Node>,
    /// By slot, the node of the first step.
    slots: Vec<usize>,
    /// By slot, where a signal has it.
    marked: Vec<Option<Marked>>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Where the paths go on, in the order of the keys.
    steps: Vec<(Box<str>, usize)>,
    /// The same for steps that are an index.
    indexes: Vec<(u64, usize)>,
    slot: Option<usize>,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            slots: Vec::new(),
            marked: Vec::new(),
        }
    }
}

impl Paths {
    /// Take up a path; its slot.
    pub fn insert<'s, P: Iterator<Item = &'s str> + Clone>(
        &mut self,
        path: impl IntoIterator<IntoIter = P>,
    ) -> usize {
        let path = path.into_iter();
        let marked = Marked::of(path.clone());
        let (mut at, mut first) = (ROOT, None);
        for step in path {
            at = self.step(at, step);
            first.get_or_insert(at);
        }
        let next = self.slots.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return next;
        };
        let slot = *node.slot.get_or_insert(next);
        if slot == next {
            self.slots.push(first.unwrap_or(ROOT));
            self.marked.push(marked);
        }
        slot
    }

    /// Where a signal has what stands in a slot.
    pub fn marked(&self, slot: usize) -> Option<Marked> {
        self.marked.get(slot).copied().flatten()
    }

    /// Whether the path of a slot begins with a key.
    pub fn begins_with(&self, slot: usize, key: &str) -> bool {
        let steps = self.nodes.get(ROOT).map(|root| &root.steps);
        let first = steps.and_then(|steps| steps.iter().find(|(step, _)| **step == *key));
        first.is_some_and(|(_, node)| self.slots.get(slot) == Some(node))
    }

    fn step(&mut self, from: usize, step: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(from) else {
            return next;
        };
        let found = node
            .steps
            .binary_search_by(|(other, _)| (**other).cmp(step));
        match found.map(|at| node.steps.get(at)) {
            Ok(known) => known.map_or(next, |(_, node)| *node),
            Err(at) => {
                node.steps.insert(at, (step.into(), next));
                if let Some(index) = index_of(step) {
                    node.indexes.push((index, next));
                }
                self.nodes.push(Node::default());
                next
            }
        }
    }

    /// How many different paths there are.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn slot(&self, node: usize) -> Option<usize> {
        self.nodes.get(node)?.slot
    }

    /// No path goes on from here.
    pub(super) fn is_leaf(&self, node: usize) -> bool {
        self.nodes
            .get(node)
            .is_none_or(|node| node.steps.is_empty())
    }

    /// Where the paths go on from `node` by a key.
    pub(super) fn by_key(&self, node: usize, key: &Str<'_>) -> Option<usize> {
        let steps = &self.nodes.get(node)?.steps;
        if steps.len() <= FEW || key.escaped {
            let found = steps.iter().find(|(step, _)| key.is(step));
            return found.map(|(_, next)| *next);
        }
        let found = steps.binary_search_by(|(step, _)| step.as_bytes().cmp(key.raw));
        found
            .ok()
            .and_then(|at| steps.get(at))
            .map(|(_, next)| *next)
    }

    /// Where the paths go on from `node` by an index.
    pub(super) fn by_index(&self, node: usize, index: u64) -> Option<usize> {
        let indexes = &self.nodes.get(node)?.indexes;
        let found = indexes.iter().find(|(step, _)| *step == index);
        found.map(|(_, next)| *next)
    }

    /// Where the paths go on from `node`.
    pub(super) fn below(&self, node: usize) -> impl Iterator<Item = usize> {
        let steps = self.nodes.get(node).map(|node| &node.steps);
        steps.into_iter().flatten().map(|(_, next)| *next)
    }
}

/// Digits without leading zeros are an index, and a key as well.
fn index_of(step: &str) -> Option<u64> {
    let is_plain = step == "0" || !step.starts_with('0');
    let digits = is_plain && step.bytes().all(|byte| byte.is_ascii_digit());
    step.parse().ok().filter(|_| digits)
}
