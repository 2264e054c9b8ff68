//! What M10 to M13 say of a text: `serde_json` knows the grammar, a tree knows the rules.

/// Any JSON, keys that stand twice included, numbers as they were written.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Scalar,
    Number(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Reads what `serde_json` has accepted; it can afford to recurse and to trust.
fn tree(text: &mut &str) -> Tree {
    *text = text.trim_start();
    let Some(first) = text.chars().next() else {
        panic!("a value")
    };
    match first {
        '{' | '[' => {
            *text = text[1..].trim_start();
            let (mut members, mut elements) = (Vec::new(), Vec::new());
            while !text.starts_with(['}', ']']) {
                if first == '{' {
                    let key = string(text);
                    *text = text.trim_start()[1..].trim_start();
                    members.push((key, tree(text)));
                } else {
                    elements.push(tree(text));
                }
                *text = text.trim_start().trim_start_matches(',').trim_start();
            }
            *text = &text[1..];
            if first == '{' {
                Tree::Object(members)
            } else {
                Tree::Array(elements)
            }
        }
        '"' => {
            string(text);
            Tree::Scalar
        }
        _ => {
            let len = text
                .find([',', '}', ']', ' ', '\n', '\r', '\t'])
                .unwrap_or(text.len());
            let (token, rest) = text.split_at(len);
            *text = rest;
            if first.is_alphabetic() {
                Tree::Scalar
            } else {
                Tree::Number(token.to_owned())
            }
        }
    }
}

fn string(text: &mut &str) -> String {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, character)) = chars.next() {
        match character {
            '\\' => drop(chars.next()),
            '"' => {
                let (string, rest) = text.split_at(at + 1);
                *text = rest;
                return serde_json::from_str(string).unwrap();
            }
            _ => {}
        }
    }
    panic!("the end of a string")
}

impl Tree {
    fn depth(&self) -> usize {
        match self {
            Self::Scalar | Self::Number(_) => 0,
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => {
                1 + members
                    .iter()
                    .map(|(_, value)| value.depth())
                    .max()
                    .unwrap_or(0)
            }
        }
    }

    /// M13 inside `data`.
    pub fn is_data(&self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Number(token) => {
                token.contains(['.', 'e', 'E'])
                    || token
                        .parse()
                        .is_ok_and(|n| (-(1_i128 << 63)..1 << 64).contains(&n))
            }
            Self::Array(elements) => elements.iter().all(Self::is_data),
            Self::Object(members) => members.iter().all(|(_, value)| value.is_data()),
        }
    }

    /// M11 and M13 outside `data`, or of a message with its `data`.
    pub fn is_strict(&self, message: bool) -> bool {
        match self {
            Self::Scalar => true,
            Self::Number(token) => {
                token.contains(['.', 'e', 'E'])
                    || token.parse().is_ok_and(|n: i128| n.abs() < 1 << 53)
            }
            Self::Array(elements) => elements.iter().all(|element| element.is_strict(false)),
            Self::Object(members) => members.iter().enumerate().all(|(at, (key, value))| {
                let exempt = message && (key == "data" || key == "payload");
                let good = if exempt {
                    value.is_data()
                } else {
                    value.is_strict(false)
                };
                good && members[..at].iter().all(|(other, _)| other != key)
            }),
        }
    }
}

pub(super) fn parsed(text: &[u8]) -> Option<Tree> {
    serde_json::from_slice::<serde_json::Value>(text).ok()?;
    let mut text = std::str::from_utf8(text).ok()?;
    Some(tree(&mut text))
}

pub(super) fn model_of_check(text: &[u8]) -> bool {
    match parsed(text) {
        Some(Tree::Array(messages)) => messages
            .iter()
            .all(|message| message.depth() <= 32 && message.is_strict(true)),
        Some(message) => message.depth() <= 32 && message.is_strict(true),
        None => false,
    }
}

pub(super) fn model_of_check_value(text: &[u8]) -> bool {
    parsed(text).is_some_and(|value| value.depth() <= 31 && value.is_data())
}
