//! From JSON text to a filter, by F1 to F3 and F8: every bound is checked before anything is built that it bounds.

use crate::filter::condition;
use crate::filter::fault::FilterFault;
use crate::filter::member::Member;
use crate::filter::node::{Field, Node};
use crate::json::{Tree, is_tag_name};

/// Segments of a path (F8).
const MAX_SEGMENTS: usize = 16;
/// Characters of what came that a fault repeats.
const SHOWN: usize = 64;

const FIELDS: &str =
    "event, key, content_type, tags.<name>, data, data.<path>, meta.<path>, all, any or not";

/// What a filter may be at most (F8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes as received.
    pub bytes: usize,
    /// Operators, literal conditions and combinators.
    pub nodes: usize,
    /// Filters in one another, the outermost counted.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 2_048,
            nodes: 32,
            depth: 4,
        }
    }
}

/// Read a filter.
pub fn read(text: &[u8], limits: Limits) -> Result<(Node, Vec<Member>), FilterFault> {
    let mut reader = Reader {
        limits,
        nodes: 0,
        path: Vec::new(),
        members: Vec::new(),
    };
    if text.len() > limits.bytes {
        let expected = format!("at most {} bytes", limits.bytes);
        return Err(reader.fault(expected, text.len().to_string()));
    }
    let tree = Tree::parse(text)
        .map_err(|fault| reader.fault("a JSON object", format!("text with a fault: {fault}")))?;
    let node = reader.filter(&tree, 1)?;
    Ok((node, reader.members))
}

/// Where it reads, and how much it has read.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    nodes: usize,
    path: Vec<String>,
    /// Those that were read so far, each once.
    pub members: Vec<Member>,
}

impl Reader {
    /// A fault at this place.
    pub fn fault(&self, expected: impl Into<String>, came: impl Into<String>) -> FilterFault {
        FilterFault::new(self.path.join("."), expected, came)
    }

    /// Something else than `expected` stands at this place.
    pub fn expected(&self, expected: &str, came: &Tree) -> FilterFault {
        self.fault(expected, shown(came))
    }

    /// What stands under `name` of this place.
    pub fn within<T>(
        &mut self,
        name: impl Into<String>,
        read: impl FnOnce(&mut Self) -> Result<T, FilterFault>,
    ) -> Result<T, FilterFault> {
        self.path.push(name.into());
        let result = read(self)?;
        self.path.pop();
        Ok(result)
    }

    /// One node more.
    pub fn count(&mut self) -> Result<(), FilterFault> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let most = self.limits.nodes;
            let expected = format!("at most {most} operators, literals and combinators");
            return Err(self.fault(expected, "more"));
        }
        Ok(())
    }

    fn filter(&mut self, tree: &Tree, depth: usize) -> Result<Node, FilterFault> {
        if depth > self.limits.depth {
            let expected = format!("at most {} filters in one another", self.limits.depth);
            return Err(self.fault(expected, "one more"));
        }
        let Tree::Object(members) = tree else {
            return Err(self.expected("a filter: an object", tree));
        };
        let mut nodes = Vec::new();
        for (name, value) in members {
            nodes.push(self.within(name.as_str(), |reader| reader.member(name, value, depth))?);
        }
        Ok(Node::all(nodes, &self.members))
    }

    fn member(&mut self, name: &str, value: &Tree, depth: usize) -> Result<Node, FilterFault> {
        match name {
            "all" | "any" => {
                self.count()?;
                let nodes = self.filters(value, depth + 1)?;
                Ok(if name == "all" {
                    Node::all(nodes, &self.members)
                } else {
                    Node::any(nodes, &self.members)
                })
            }
            "not" => {
                self.count()?;
                Ok(Node::Not(Box::new(self.filter(value, depth + 1)?)))
            }
            _ => {
                let field = self.field(name)?;
                condition::read(self, field, value)
            }
        }
    }

    fn filters(&mut self, tree: &Tree, depth: usize) -> Result<Vec<Node>, FilterFault> {
        let filters = match tree {
            Tree::Array(filters) if !filters.is_empty() => filters,
            Tree::Array(_) => return Err(self.fault("at least one filter", "none")),
            other => return Err(self.expected("an array of filters", other)),
        };
        let mut nodes = Vec::new();
        for (at, filter) in filters.iter().enumerate() {
            nodes.push(self.within(at.to_string(), |reader| reader.filter(filter, depth))?);
        }
        Ok(nodes)
    }

    /// F2: what a member that is no combinator is about.
    fn field(&mut self, name: &str) -> Result<Field, FilterFault> {
        let (root, rest) = match name.split_once('.') {
            Some((root, rest)) => (root, Some(rest)),
            None => (name, None),
        };
        match (root, rest) {
            ("event", None) => return Ok(Field::Event),
            ("key", None) => return Ok(Field::Key),
            ("content_type" | "data", None) => {}
            ("tags", Some(tag)) => {
                if !is_tag_name(tag) {
                    return Err(self.fault("a tag of 1 to 64 of A-Z a-z 0-9 _ . -", quoted(tag)));
                }
            }
            ("data" | "meta", Some(path)) => self.check_path(path)?,
            _ => return Err(self.fault(FIELDS, quoted(name))),
        }
        let member = Member {
            name: name.into(),
            is_tag: root == "tags",
        };
        Ok(Field::Member(member.number_in(&mut self.members)))
    }

    fn check_path(&self, path: &str) -> Result<(), FilterFault> {
        let count = path.split('.').count();
        if count > MAX_SEGMENTS {
            let expected = format!("a path of at most {MAX_SEGMENTS} segments");
            return Err(self.fault(expected, count.to_string()));
        }
        if path.split('.').any(str::is_empty) {
            return Err(self.fault("segments of at least one character", quoted(path)));
        }
        Ok(())
    }
}

/// A text as it is told.
pub fn quoted(text: &str) -> String {
    let more = if text.chars().count() > SHOWN {
        "…"
    } else {
        ""
    };
    let begin: String = text.chars().take(SHOWN).collect();
    format!("\"{begin}{more}\"")
}

/// What came, as it is told.
pub fn shown(tree: &Tree) -> String {
    match tree {
        Tree::Number(number) => number.to_string(),
        Tree::Text(text) => quoted(text),
        other => other.kind().to_owned(),
    }
}
