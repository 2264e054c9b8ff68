//! What an event must have for a filter to hold: by that the filter is filed, so that it is looked at for no other event.

use space::Ball;

use crate::filter::literal::Literal;
use crate::filter::node::{Field, Node, Path, Test};

/// Balls by which one filter is filed at most.
const MAX_BALLS: usize = 8;
/// Names of events, or their beginnings, likewise.
const MAX_NAMES: usize = 64;

/// One of several things of which an event must have one, or the filter does not hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// A vector in this ball, at this place.
    Ball(Path, Box<Ball>),
    /// This name.
    Name(Box<str>),
    /// A name that begins so.
    Start(Box<str>),
}

impl Key {
    /// Whether it is of the kind that costs nothing while no event has it.
    pub fn is_ball(&self) -> bool {
        matches!(self, Self::Ball(..))
    }

    /// How many events it is likely to let pass, compared with others.
    fn width(&self) -> u8 {
        match self {
            Self::Ball(..) => 0,
            Self::Name(_) => 1,
            Self::Start(_) => 2,
        }
    }
}

/// The keys of a filter; `None`: it may hold for events of any kind.
pub fn keys_of(node: &Node) -> Option<Vec<Key>> {
    match node {
        Node::All(nodes) => nodes.iter().filter_map(keys_of).min_by_key(|keys| {
            let widest = keys.iter().map(Key::width).max();
            (widest, keys.len())
        }),
        Node::Any(nodes) => {
            let mut keys = Vec::new();
            for node in nodes {
                keys.extend(keys_of(node)?);
            }
            within_bounds(keys)
        }
        Node::Is(Field::Event, test) => keys_of_name(test),
        Node::Is(Field::Member(path, _), Test::Near(ball)) => {
            Some(vec![Key::Ball(path.clone(), ball.clone())])
        }
        Node::Not(_) | Node::Is(..) => None,
    }
}

fn within_bounds(keys: Vec<Key>) -> Option<Vec<Key>> {
    let balls = keys.iter().filter(|key| key.is_ball()).count();
    (balls <= MAX_BALLS && keys.len() - balls <= MAX_NAMES).then_some(keys)
}

fn keys_of_name(test: &Test) -> Option<Vec<Key>> {
    let name = |literal: &Literal| match literal {
        Literal::Text(text) => Some(Key::Name(text.clone())),
        // No event is called so.
        _ => None,
    };
    let start = |text: &str| (!text.is_empty()).then(|| vec![Key::Start(text.into())]);
    match test {
        Test::Eq(literal) => Some(name(literal).into_iter().collect()),
        Test::In(literals) => Some(literals.iter().filter_map(name).collect()),
        Test::Prefix(text) => start(text),
        Test::Glob(glob) => match glob.start() {
            (text, true) => Some(vec![Key::Name(text.into())]),
            (text, false) => start(&text),
        },
        _ => None,
    }
}
