//! Filters by the names that events must have for them to hold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::filter::keys::Name;

/// The numbers of filters, by names and their beginnings.
#[derive(Debug, Default)]
pub struct Named {
    names: HashMap<Box<str>, BTreeSet<u32>>,
    starts: HashMap<Box<str>, BTreeSet<u32>>,
    /// How many starts have each length.
    lengths: BTreeMap<usize, usize>,
}

impl Named {
    /// File a filter.
    pub fn insert(&mut self, id: u32, name: &Name) {
        match name {
            Name::Is(name) => {
                self.names.entry(name.clone()).or_default().insert(id);
            }
            Name::Start(start) => {
                let ids = self.starts.entry(start.clone()).or_default();
                if ids.is_empty() {
                    *self.lengths.entry(start.len()).or_default() += 1;
                }
                ids.insert(id);
            }
        }
    }

    /// Take a filter out again that was filed so.
    pub fn remove(&mut self, id: u32, name: &Name) {
        match name {
            Name::Is(name) => {
                take_out(&mut self.names, name, id);
            }
            Name::Start(start) => {
                if take_out(&mut self.starts, start, id)
                    && let Some(count) = self.lengths.get_mut(&start.len())
                {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&start.len());
                    }
                }
            }
        }
    }

    /// The filters that an event of this name may pass; in no order, and some of them twice.
    pub fn find(&self, event: &str) -> impl Iterator<Item = &u32> {
        let starts = self.lengths.keys().filter_map(|length| {
            let start = event.get(..*length)?;
            self.starts.get(start)
        });
        self.names.get(event).into_iter().chain(starts).flatten()
    }
}

/// Whether that was the last one there.
fn take_out(files: &mut HashMap<Box<str>, BTreeSet<u32>>, name: &str, id: u32) -> bool {
    let Some(ids) = files.get_mut(name) else {
        return false;
    };
    ids.remove(&id);
    let is_empty = ids.is_empty();
    if is_empty {
        files.remove(name);
    }
    is_empty
}
