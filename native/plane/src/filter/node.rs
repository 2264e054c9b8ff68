//! A filter as a tree, in a form that does not depend on how it was written.

use std::sync::Arc;

use space::Ball;

use crate::filter::glob::Glob;
use crate::filter::literal::{Bound, Literal};
use crate::filter::member::Member;
use crate::filter::near;
use crate::json::escape;

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The name of the event.
    Event,
    /// The key.
    Key,
    /// Anything in the message, by its number among the members of the filter.
    Member(u32),
}

impl Field {
    fn name(self, members: &[Member]) -> &str {
        match self {
            Self::Event => "event",
            Self::Key => "key",
            Self::Member(number) => members.get(number as usize).map_or("", |one| &one.name),
        }
    }
}

/// An operator with its operand (F3).
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `eq`, or a literal.
    Eq(Literal),
    /// `ne`
    Ne(Literal),
    /// `in`
    In(Box<[Literal]>),
    /// `nin`
    Nin(Box<[Literal]>),
    /// `gt`
    Gt(Bound),
    /// `gte`
    Gte(Bound),
    /// `lt`
    Lt(Bound),
    /// `lte`
    Lte(Bound),
    /// `exists`
    Exists(bool),
    /// `prefix`
    Prefix(Box<str>),
    /// `contains`
    Contains(Literal),
    /// `glob`
    Glob(Glob),
    /// `near`
    Near(Arc<Ball>),
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// All of them hold; none: everything passes.
    All(Box<[Node]>),
    /// One of them holds.
    Any(Box<[Node]>),
    /// It does not hold.
    Not(Box<Node>),
    /// A condition.
    Is(Field, Test),
}

impl Node {
    /// All of `nodes`, in an order of their own: what costs little to know comes first.
    pub fn all(nodes: Vec<Self>, members: &[Member]) -> Self {
        let mut flat = Vec::new();
        for node in nodes {
            match node {
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::ordered(flat, members, Self::All)
    }

    /// One of `nodes`, of which there is at least one.
    pub fn any(nodes: Vec<Self>, members: &[Member]) -> Self {
        let mut flat = Vec::new();
        for node in nodes {
            match node {
                Self::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::ordered(flat, members, Self::Any)
    }

    fn ordered(nodes: Vec<Self>, members: &[Member], of: fn(Box<[Self]>) -> Self) -> Self {
        let keyed = nodes.into_iter().map(|node| {
            let mut text = Vec::new();
            node.write(members, &mut text);
            (node.looks_inside(), text, node)
        });
        let mut keyed: Vec<(bool, Vec<u8>, Self)> = keyed.collect();
        keyed.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        keyed.dedup_by(|one, other| one.1 == other.1);
        let mut nodes: Vec<Self> = keyed.into_iter().map(|(.., node)| node).collect();
        match nodes.pop() {
            Some(only) if nodes.is_empty() => only,
            Some(last) => {
                nodes.push(last);
                of(nodes.into())
            }
            None => of(nodes.into()),
        }
    }

    /// Bytes that it holds apart from itself.
    pub fn held(&self) -> usize {
        match self {
            Self::All(nodes) | Self::Any(nodes) => {
                size_of_val::<[Self]>(nodes) + nodes.iter().map(Self::held).sum::<usize>()
            }
            Self::Not(node) => size_of::<Self>() + node.held(),
            Self::Is(_, test) => test.held(),
        }
    }

    /// How many balls it asks of.
    pub fn balls(&self) -> usize {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().map(Self::balls).sum(),
            Self::Not(node) => node.balls(),
            Self::Is(_, test) => usize::from(matches!(test, Test::Near(_))),
        }
    }

    /// What is left of it where a ball is known to hold the vector that it asks of.
    #[must_use]
    pub fn given_ball(&self) -> Self {
        match self {
            Self::All(nodes) => {
                let is_asked = |node: &&Self| !matches!(node, Self::Is(_, Test::Near(_)));
                let nodes = nodes.iter().filter(is_asked).map(Self::given_ball);
                Self::All(nodes.collect())
            }
            Self::Any(nodes) => Self::Any(nodes.iter().map(Self::given_ball).collect()),
            Self::Not(node) => Self::Not(Box::new(node.given_ball())),
            Self::Is(_, Test::Near(_)) => Self::All(Box::default()),
            Self::Is(field, test) => Self::Is(*field, test.clone()),
        }
    }

    /// More than the event's name and key must be known.
    fn looks_inside(&self) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(Self::looks_inside),
            Self::Not(node) => node.looks_inside(),
            Self::Is(field, _) => matches!(field, Field::Member(_)),
        }
    }

    /// Give the members that it looks at their numbers among `members`, where those that are not there yet are added, in the
    /// order of the conditions.
    pub fn renumber(&mut self, former: &[Member], members: &mut Vec<Member>) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => {
                for node in nodes {
                    node.renumber(former, members);
                }
            }
            Self::Not(node) => node.renumber(former, members),
            Self::Is(Field::Member(number), _) => {
                if let Some(member) = former.get(*number as usize) {
                    *number = member.clone().number_in(members);
                }
            }
            Self::Is(..) => {}
        }
    }

    /// As JSON, which says the same when it is read.
    pub fn write(&self, members: &[Member], out: &mut Vec<u8>) {
        match self {
            Self::All(nodes) if nodes.is_empty() => out.extend_from_slice(b"{}"),
            Self::All(nodes) => write_all(out, "all", nodes, members),
            Self::Any(nodes) => write_all(out, "any", nodes, members),
            Self::Not(node) => {
                out.extend_from_slice(br#"{"not":"#);
                node.write(members, out);
                out.push(b'}');
            }
            Self::Is(field, test) => {
                out.push(b'{');
                escape::write_str(out, field.name(members));
                out.extend_from_slice(b":{");
                test.write(out);
                out.extend_from_slice(b"}}");
            }
        }
    }
}

fn write_all(out: &mut Vec<u8>, name: &str, nodes: &[Node], members: &[Member]) {
    out.push(b'{');
    escape::write_str(out, name);
    out.extend_from_slice(b":[");
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        node.write(members, out);
    }
    out.extend_from_slice(b"]}");
}

impl Test {
    fn held(&self) -> usize {
        match self {
            Self::Eq(literal) | Self::Ne(literal) | Self::Contains(literal) => literal.held(),
            Self::In(literals) | Self::Nin(literals) => {
                size_of_val::<[Literal]>(literals)
                    + literals.iter().map(Literal::held).sum::<usize>()
            }
            Self::Gt(bound) | Self::Gte(bound) | Self::Lt(bound) | Self::Lte(bound) => bound.held(),
            Self::Exists(_) => 0,
            Self::Prefix(text) => text.len(),
            Self::Glob(glob) => glob.held(),
            Self::Near(_) => 2 * size_of::<usize>() + size_of::<Ball>(),
        }
    }

    /// The name of the operator.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Eq(_) => "eq",
            Self::Ne(_) => "ne",
            Self::In(_) => "in",
            Self::Nin(_) => "nin",
            Self::Gt(_) => "gt",
            Self::Gte(_) => "gte",
            Self::Lt(_) => "lt",
            Self::Lte(_) => "lte",
            Self::Exists(_) => "exists",
            Self::Prefix(_) => "prefix",
            Self::Contains(_) => "contains",
            Self::Glob(_) => "glob",
            Self::Near(_) => "near",
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        escape::write_str(out, self.name());
        out.push(b':');
        match self {
            Self::Eq(literal) | Self::Ne(literal) | Self::Contains(literal) => literal.write(out),
            Self::In(literals) | Self::Nin(literals) => {
                out.push(b'[');
                for (at, literal) in literals.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    literal.write(out);
                }
                out.push(b']');
            }
            Self::Gt(bound) | Self::Gte(bound) | Self::Lt(bound) | Self::Lte(bound) => {
                bound.write(out);
            }
            Self::Exists(wanted) => out.extend_from_slice(wanted.to_string().as_bytes()),
            Self::Prefix(text) => escape::write_str(out, text),
            Self::Glob(glob) => escape::write_str(out, &glob.text()),
            Self::Near(ball) => near::write(ball, out),
        }
    }
}
