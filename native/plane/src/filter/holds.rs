//! Evaluation (F3 to F7). A missing field makes every operator false but `exists:false`; it is never an error (F4).

use std::cmp::Ordering;

use crate::filter::literal::{contains, has_prefix};
use crate::filter::look::Look;
use crate::filter::node::{Field, Node, Test};
use crate::json::{Text, Value};

/// Whether a filter lets an event through; `slots` are the places of its members in what is looked at.
pub fn holds(node: &Node, slots: &[usize], look: &mut Look<'_>) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(|node| holds(node, slots, look)),
        Node::Any(nodes) => nodes.iter().any(|node| holds(node, slots, look)),
        Node::Not(node) => !holds(node, slots, look),
        Node::Is(Field::Event, Test::Glob(glob)) => glob.matches(look.event()),
        Node::Is(Field::Member(number), Test::Near(ball)) => {
            let slot = slots.get(*number as usize);
            let point = slot.and_then(|slot| look.vector(*slot));
            point.is_some_and(|point| ball.holds(&point))
        }
        Node::Is(field, test) => {
            let value = match field {
                Field::Event => Value::Text(Text::plain(look.event())),
                Field::Key => look.key(),
                Field::Member(number) => slots
                    .get(*number as usize)
                    .map_or(Value::Missing, |slot| look.value(*slot)),
            };
            is(&value, test, look.room())
        }
    }
}

fn is(value: &Value<'_>, test: &Test, room: &mut Vec<u8>) -> bool {
    let exists = !matches!(value, Value::Missing);
    match test {
        Test::Eq(literal) => literal.equals(value),
        Test::Ne(literal) => exists && !literal.equals(value),
        Test::In(literals) => literals.iter().any(|literal| literal.equals(value)),
        Test::Nin(literals) => exists && !literals.iter().any(|literal| literal.equals(value)),
        Test::Gt(bound) => bound.order(value) == Some(Ordering::Greater),
        Test::Gte(bound) => bound.order(value).is_some_and(Ordering::is_ge),
        Test::Lt(bound) => bound.order(value) == Some(Ordering::Less),
        Test::Lte(bound) => bound.order(value).is_some_and(Ordering::is_le),
        Test::Exists(wanted) => exists == *wanted,
        Test::Prefix(prefix) => has_prefix(value, prefix),
        Test::Contains(literal) => contains(value, literal, room),
        // The event's name and its key are no vectors, and only the name has a pattern: these have their own ways.
        Test::Near(_) | Test::Glob(_) => false,
    }
}
