//! Filters of a channel by what an event must have for them to hold: an event touches those that it may pass, and no other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use space::Balls;

use crate::filter::keys::Key;
use crate::filter::look::Look;
use crate::filter::near;
use crate::filter::node::Path;
use crate::json::Paths;

/// The numbers of filters, filed by their keys.
#[derive(Debug, Default)]
pub struct Files {
    /// For each place where somebody expects a vector, by its name.
    vectors: BTreeMap<Box<str>, Vectors>,
    names: HashMap<Box<str>, BTreeSet<u64>>,
    starts: HashMap<Box<str>, BTreeSet<u64>>,
    /// How many starts have each length.
    lengths: BTreeMap<usize, usize>,
    /// Those without keys.
    rest: BTreeSet<u64>,
}

#[derive(Debug)]
struct Vectors {
    path: Path,
    slot: usize,
    balls: Balls,
}

impl Files {
    /// How many different balls there are.
    pub fn balls(&self) -> usize {
        self.vectors.values().map(|one| one.balls.len()).sum()
    }

    /// File a filter under its keys, or as one without them.
    pub fn insert(&mut self, id: u64, keys: Option<&[Key]>, paths: &mut Paths) {
        let Some(keys) = keys else {
            self.rest.insert(id);
            return;
        };
        for key in keys {
            match key {
                Key::Ball(path, ball) => {
                    let vectors = self.vectors.entry(path.name.clone());
                    let vectors = vectors.or_insert_with(|| Vectors {
                        path: path.clone(),
                        slot: paths.insert(path.steps()),
                        balls: Balls::new(),
                    });
                    vectors.balls.insert(id, ball);
                }
                Key::Name(name) => {
                    self.names.entry(name.clone()).or_default().insert(id);
                }
                Key::Start(start) => {
                    let ids = self.starts.entry(start.clone()).or_default();
                    if ids.is_empty() {
                        *self.lengths.entry(start.len()).or_default() += 1;
                    }
                    ids.insert(id);
                }
            }
        }
    }

    /// Take a filter out again that was filed so.
    pub fn remove(&mut self, id: u64, keys: Option<&[Key]>) {
        let Some(keys) = keys else {
            self.rest.remove(&id);
            return;
        };
        for key in keys {
            match key {
                Key::Ball(path, ball) => {
                    let Some(vectors) = self.vectors.get_mut(&path.name) else {
                        continue;
                    };
                    vectors.balls.remove(id, ball);
                    if vectors.balls.is_empty() {
                        self.vectors.remove(&path.name);
                    }
                }
                Key::Name(name) => {
                    take_out(&mut self.names, name, id);
                }
                Key::Start(start) => {
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
    }

    /// The places where vectors are expected stand in other paths now.
    pub fn renumber(&mut self, paths: &mut Paths) {
        for vectors in self.vectors.values_mut() {
            vectors.slot = paths.insert(vectors.path.steps());
        }
    }

    /// The filters that an event may pass, ascending; how many of them it was near.
    pub fn find(&mut self, look: &mut Look<'_>, found: &mut Vec<u64>) -> usize {
        found.clear();
        for vectors in self.vectors.values_mut() {
            if let Some(point) = near::vector(&look.value(vectors.slot)) {
                vectors.balls.holding(&point, found);
            }
        }
        let near = found.len();
        let event = look.event();
        found.extend(self.names.get(event).into_iter().flatten());
        for length in self.lengths.keys() {
            let start = event.get(..*length);
            let ids = start.and_then(|start| self.starts.get(start));
            found.extend(ids.into_iter().flatten());
        }
        found.extend(&self.rest);
        found.sort_unstable();
        found.dedup();
        near
    }
}

/// Whether nothing is left there.
fn take_out(files: &mut HashMap<Box<str>, BTreeSet<u64>>, name: &str, id: u64) -> bool {
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
