//! Filters of a channel by what an event must have for them to hold: an event touches those that it may pass, and no other.

use std::collections::{BTreeMap, BTreeSet};

use space::{Ball, Balls};

use crate::filter::keys::{Key, Name};
use crate::filter::look::Look;
use crate::filter::named::Named;
use crate::filter::near;
use crate::filter::node::Path;
use crate::json::Paths;

/// Where signals have their vector.
const VECTOR: &str = "data.vector";
/// So many other places of a channel are free as well. Each place of which a ball is asked is looked at in every event.
const FREE_PLACES: usize = 8;
/// The widest ball that is free: of points spread evenly over the unit cube of signals it holds at most 1.6 %. One of radius
/// 1 around its middle holds nine of ten, and would be evaluated for almost whatever comes.
const FREE_RADIUS: f64 = 0.5;

/// The numbers of filters, filed by their keys.
#[derive(Debug, Default)]
pub struct Files {
    /// For each place where somebody expects a vector, by its name.
    vectors: BTreeMap<Box<str>, Vectors>,
    named: Named,
    /// Those without keys.
    rest: BTreeSet<u64>,
}

#[derive(Debug)]
struct Vectors {
    path: Path,
    slot: usize,
    balls: Balls,
    /// Among the places that are free.
    is_free: bool,
    /// Those that hold for events of some names alone.
    named: Named,
    /// The others.
    unnamed: BTreeSet<u64>,
}

impl Vectors {
    fn insert(&mut self, id: u64, ball: &Ball, names: Option<&[Name]>) {
        self.balls.insert(id, ball);
        match names {
            None => drop(self.unnamed.insert(id)),
            Some(names) => names.iter().for_each(|name| self.named.insert(id, name)),
        }
    }

    fn remove(&mut self, id: u64, ball: &Ball, names: Option<&[Name]>) {
        self.balls.remove(id, ball);
        match names {
            None => drop(self.unnamed.remove(&id)),
            Some(names) => names.iter().for_each(|name| self.named.remove(id, name)),
        }
    }

    /// Whether any of them may hold for an event of this name.
    fn asks_for(&self, event: &str) -> bool {
        !self.unnamed.is_empty() || self.named.find(event).next().is_some()
    }
}

impl Files {
    /// How many different balls there are.
    pub fn balls(&self) -> usize {
        self.vectors.values().map(|one| one.balls.len()).sum()
    }

    /// Whether a filter costs nothing while no event is near it: it is found by small balls, at places that are looked at anyway.
    pub fn is_free(&self, keys: Option<&[Key]>) -> bool {
        let Some(keys) = keys else {
            return false;
        };
        let mut places = BTreeSet::new();
        for key in keys {
            let Key::Ball(path, ball, _) = key else {
                return false;
            };
            let known = self.vectors.get(&path.name);
            if ball.radius() > FREE_RADIUS || known.is_some_and(|known| !known.is_free) {
                return false;
            }
            if known.is_none() && *path.name != *VECTOR {
                places.insert(&path.name);
            }
        }
        self.free_places() + places.len() <= FREE_PLACES
    }

    fn free_places(&self) -> usize {
        let places = self.vectors.values().filter(|one| one.is_free);
        places.filter(|one| *one.path.name != *VECTOR).count()
    }

    /// File a filter under its keys, or as one without them.
    pub fn insert(&mut self, id: u64, keys: Option<&[Key]>, paths: &mut Paths) {
        let Some(keys) = keys else {
            self.rest.insert(id);
            return;
        };
        for key in keys {
            match key {
                Key::Ball(path, ball, names) => {
                    let vectors = self.place(path, paths);
                    vectors.insert(id, ball, names.as_deref());
                }
                Key::Name(name) => self.named.insert(id, name),
            }
        }
    }

    fn place(&mut self, path: &Path, paths: &mut Paths) -> &mut Vectors {
        let has_room = *path.name == *VECTOR || self.free_places() < FREE_PLACES;
        let vectors = self.vectors.entry(path.name.clone());
        vectors.or_insert_with(|| Vectors {
            path: path.clone(),
            slot: paths.insert(path.steps()),
            balls: Balls::new(),
            is_free: has_room,
            named: Named::default(),
            unnamed: BTreeSet::new(),
        })
    }

    /// Take a filter out again that was filed so.
    pub fn remove(&mut self, id: u64, keys: Option<&[Key]>) {
        let Some(keys) = keys else {
            self.rest.remove(&id);
            return;
        };
        for key in keys {
            match key {
                Key::Ball(path, ball, names) => {
                    let Some(vectors) = self.vectors.get_mut(&path.name) else {
                        continue;
                    };
                    vectors.remove(id, ball, names.as_deref());
                    if vectors.balls.is_empty() {
                        self.vectors.remove(&path.name);
                    }
                }
                Key::Name(name) => self.named.remove(id, name),
            }
        }
    }

    /// The places where vectors are expected stand in other paths now.
    pub fn renumber(&mut self, paths: &mut Paths) {
        for vectors in self.vectors.values_mut() {
            vectors.slot = paths.insert(vectors.path.steps());
        }
    }

    /// The filters that an event may pass, ascending; how many of them it was near. Where no ball is asked of events of its
    /// name, its vector is not looked at.
    pub fn find(&mut self, look: &mut Look<'_>, found: &mut Vec<u64>) -> usize {
        found.clear();
        let event = look.event();
        for vectors in self.vectors.values_mut() {
            if vectors.asks_for(event)
                && let Some(point) = near::vector(&look.value(vectors.slot))
            {
                vectors.balls.holding(&point, found);
            }
        }
        let near = found.len();
        found.extend(self.named.find(event));
        found.extend(&self.rest);
        found.sort_unstable();
        found.dedup();
        near
    }
}
