//! A filter as a tree, in a form that does not depend on how it was written.

use space::Ball;

use crate::filter::glob::Glob;
use crate::filter::literal::{Bound, Literal};
use crate::filter::near;
use crate::json::escape;

/// A member of the `event` message: where it stands, and what the filter calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// As in the filter: `tags.host`, `data.cpu`.
    pub name: Box<str>,
    /// After which of the name's dots the next step begins: all of them, or for a tag the first alone.
    pub is_tag: bool,
}

impl Path {
    /// Keys and indexes from the message down.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        let most = if self.is_tag { 2 } else { usize::MAX };
        self.name.splitn(most, '.')
    }
}

/// What a condition is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The name of the event.
    Event,
    /// The key.
    Key,
    /// Anything in the message, and its number among the members of the filter.
    Member(Path, usize),
}

impl Field {
    fn name(&self) -> &str {
        match self {
            Self::Event => "event",
            Self::Key => "key",
            Self::Member(path, _) => &path.name,
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
    In(Vec<Literal>),
    /// `nin`
    Nin(Vec<Literal>),
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
    Near(Box<Ball>),
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// All of them hold; none: everything passes.
    All(Vec<Node>),
    /// One of them holds.
    Any(Vec<Node>),
    /// It does not hold.
    Not(Box<Node>),
    /// A condition.
    Is(Field, Test),
}

impl Node {
    /// All of `nodes`, in an order of their own: what costs little to know comes first.
    pub fn all(nodes: Vec<Self>) -> Self {
        let mut flat = Vec::new();
        for node in nodes {
            match node {
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::ordered(flat, Self::All)
    }

    /// One of `nodes`, of which there is at least one.
    pub fn any(nodes: Vec<Self>) -> Self {
        let mut flat = Vec::new();
        for node in nodes {
            match node {
                Self::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::ordered(flat, Self::Any)
    }

    fn ordered(nodes: Vec<Self>, of: fn(Vec<Self>) -> Self) -> Self {
        let keyed = nodes.into_iter().map(|node| {
            let mut text = Vec::new();
            node.write(&mut text);
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
                of(nodes)
            }
            None => of(nodes),
        }
    }

    /// Bytes that it holds, roughly.
    pub fn size(&self) -> usize {
        let below = match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().map(Self::size).sum(),
            Self::Not(node) => node.size(),
            Self::Is(_, Test::Near(_)) => size_of::<Ball>(),
            // What a literal or a pattern holds stands in the text too, which is counted by itself.
            Self::Is(..) => 32,
        };
        size_of::<Self>() + below
    }

    /// More than the event's name and key must be known.
    fn looks_inside(&self) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(Self::looks_inside),
            Self::Not(node) => node.looks_inside(),
            Self::Is(field, _) => matches!(field, Field::Member(..)),
        }
    }

    /// Give the members of the message that it looks at their numbers: their places in `members`, each once.
    pub fn number_members(&mut self, members: &mut Vec<Path>) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => {
                for node in nodes {
                    node.number_members(members);
                }
            }
            Self::Not(node) => node.number_members(members),
            Self::Is(Field::Member(path, number), _) => {
                let known = members.iter().position(|member| member == path);
                *number = known.unwrap_or_else(|| {
                    members.push(path.clone());
                    members.len() - 1
                });
            }
            Self::Is(..) => {}
        }
    }

    /// As JSON, which says the same when it is read.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::All(nodes) if nodes.is_empty() => out.extend_from_slice(b"{}"),
            Self::All(nodes) => write_all(out, "all", nodes),
            Self::Any(nodes) => write_all(out, "any", nodes),
            Self::Not(node) => {
                out.extend_from_slice(br#"{"not":"#);
                node.write(out);
                out.push(b'}');
            }
            Self::Is(field, test) => {
                out.push(b'{');
                escape::write_str(out, field.name());
                out.extend_from_slice(b":{");
                test.write(out);
                out.extend_from_slice(b"}}");
            }
        }
    }
}

fn write_all(out: &mut Vec<u8>, name: &str, nodes: &[Node]) {
    out.push(b'{');
    escape::write_str(out, name);
    out.extend_from_slice(b":[");
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        node.write(out);
    }
    out.extend_from_slice(b"]}");
}

impl Test {
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
