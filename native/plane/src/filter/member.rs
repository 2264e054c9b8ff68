//! Members of the `event` message that filters look at.

use crate::json::Paths;

/// A member of the message: where it stands, and what filters call it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// As in the filter: `tags.host`, `data.cpu`.
    pub name: Box<str>,
    /// After which of the name's dots the next step begins: all of them, or for a tag the first alone.
    pub is_tag: bool,
}

impl Member {
    /// Keys and indexes from the message down.
    pub fn steps(&self) -> impl Iterator<Item = &str> + Clone {
        let most = if self.is_tag { 2 } else { usize::MAX };
        self.name.splitn(most, '.')
    }

    /// Its place among `members`; it is added if it is not there.
    #[allow(clippy::cast_possible_truncation)] // a filter has at most as many as bytes
    pub fn number_in(self, members: &mut Vec<Self>) -> u32 {
        let known = members.iter().position(|member| *member == self);
        known.unwrap_or_else(|| {
            members.push(self);
            members.len() - 1
        }) as u32
    }
}

/// The members that a filter looks at, each once and in the order of its conditions; shared by the filters of a channel that
/// look at the same.
#[derive(Debug)]
pub struct Places {
    /// By number.
    pub all: Box<[Member]>,
    /// Where they stand in [`Self::paths`].
    pub slots: Box<[usize]>,
    /// For who looks at an event for one filter alone.
    pub paths: Paths,
}

impl Places {
    /// These.
    pub fn new(all: Vec<Member>) -> Self {
        let mut paths = Paths::default();
        let slots = all.iter().map(|member| paths.insert(member.steps()));
        Self {
            slots: slots.collect(),
            paths,
            all: all.into(),
        }
    }

    /// Bytes that they hold, roughly.
    pub fn held(&self) -> usize {
        let each = self.all.iter().map(|member| 128 + member.name.len());
        each.sum()
    }
}
