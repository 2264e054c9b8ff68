//! What an event must have for a filter to hold: by that the filter is filed, so that it is looked at for no other event.

use std::sync::Arc;

use space::Ball;

use crate::filter::literal::Literal;
use crate::filter::node::{Field, Node, Test};

/// Balls by which one filter is filed at most.
const MAX_BALLS: usize = 8;
/// Names of events, or their beginnings, likewise.
const MAX_NAMES: usize = 64;

/// Bytes of a ball among those of others, apart from its own numbers.
const BALL: usize = 160;
/// Bytes of a name among those of others.
const NAME: usize = 256;

/// One of several things of which an event must have one, or the filter does not hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// A vector in this ball, at this member of the filter; and, where they are known, one of these names.
    Ball(u32, Arc<Ball>, Option<Arc<[Name]>>),
    /// Such a name.
    Name(Name),
}

/// What the name of an event is like.
#[derive(Clone, Debug, PartialEq)]
pub enum Name {
    /// It is this one.
    Is(Box<str>),
    /// It begins so.
    Start(Box<str>),
}

impl Key {
    fn is_ball(&self) -> bool {
        matches!(self, Self::Ball(..))
    }

    /// Bytes of its places among those of others.
    pub fn size(&self) -> usize {
        match self {
            Self::Ball(_, _, names) => BALL + NAME * names.as_ref().map_or(0, |names| names.len()),
            Self::Name(_) => NAME,
        }
    }

    /// How many events it is likely to let pass, compared with others.
    fn width(&self) -> u8 {
        match self {
            Self::Ball(..) => 0,
            Self::Name(Name::Is(_)) => 1,
            Self::Name(Name::Start(_)) => 2,
        }
    }
}

/// The keys of a filter; `None`: it may hold for events of any kind.
pub fn keys_of(node: &Node) -> Option<Vec<Key>> {
    match node {
        Node::All(nodes) => keys_of_all(nodes),
        Node::Any(nodes) => {
            let mut keys = Vec::new();
            for node in nodes {
                keys.extend(keys_of(node)?);
            }
            within_bounds(keys)
        }
        Node::Is(Field::Event, test) => keys_of_name(test),
        Node::Is(Field::Member(number), Test::Near(ball)) => {
            Some(vec![Key::Ball(*number, Arc::clone(ball), None)])
        }
        Node::Not(_) | Node::Is(..) => None,
    }
}

/// The keys that let the fewest events pass; balls with the names that are asked for beside them.
fn keys_of_all(nodes: &[Node]) -> Option<Vec<Key>> {
    let all: Vec<Vec<Key>> = nodes.iter().filter_map(keys_of).collect();
    let width = |keys: &&Vec<Key>| (keys.iter().map(Key::width).max(), keys.len());
    let names: Option<Arc<[Name]>> = all
        .iter()
        .filter_map(|keys| names_of(keys))
        .min_by_key(Vec::len)
        .map(Arc::from);
    let mut keys = all.iter().min_by_key(width)?.clone();
    for key in &mut keys {
        if let Key::Ball(_, _, beside @ None) = key {
            beside.clone_from(&names);
        }
    }
    Some(keys)
}

/// The names, where there are no other keys.
fn names_of(keys: &[Key]) -> Option<Vec<Name>> {
    let name = |key: &Key| match key {
        Key::Name(name) => Some(name.clone()),
        Key::Ball(..) => None,
    };
    keys.iter().map(name).collect()
}

fn within_bounds(keys: Vec<Key>) -> Option<Vec<Key>> {
    let balls = keys.iter().filter(|key| key.is_ball()).count();
    (balls <= MAX_BALLS && keys.len() - balls <= MAX_NAMES).then_some(keys)
}

fn keys_of_name(test: &Test) -> Option<Vec<Key>> {
    let name = |literal: &Literal| match literal {
        Literal::Text(text) => Some(Key::Name(Name::Is(text.clone()))),
        // No event is called so.
        _ => None,
    };
    let start = |text: &str| (!text.is_empty()).then(|| vec![Key::Name(Name::Start(text.into()))]);
    match test {
        Test::Eq(literal) => Some(name(literal).into_iter().collect()),
        Test::In(literals) => Some(literals.iter().filter_map(name).collect()),
        Test::Prefix(text) => start(text),
        Test::Glob(glob) => match glob.start() {
            (text, true) => Some(vec![Key::Name(Name::Is(text.into()))]),
            (text, false) => start(&text),
        },
        _ => None,
    }
}
