//! The filters of a channel by what an event must have for them to hold: an event touches those that it may pass, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use space::{Ball, Balls};

use crate::filter::keys::{Key, Name};
use crate::filter::look::Look;
use crate::filter::member::Member;
use crate::filter::named::Named;
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
pub struct Index {
    /// For each place where somebody expects a vector, by its name.
    vectors: BTreeMap<Box<str>, Vectors>,
    named: Named,
    /// Those without keys.
    rest: BTreeSet<u32>,
    /// How many have several keys, and may be found by more than one of them.
    several: usize,
}

#[derive(Debug)]
struct Vectors {
    member: Member,
    slot: usize,
    balls: Balls,
    /// Among the places that are free.
    is_free: bool,
    /// Those that hold for events of some names alone.
    named: Named,
    /// How often one of the others was filed.
    unnamed: usize,
}

impl Vectors {
    fn insert(&mut self, id: u32, ball: &Arc<Ball>, names: Option<&[Name]>) {
        self.balls.insert(id, ball);
        match names {
            None => self.unnamed += 1,
            Some(names) => names.iter().for_each(|name| self.named.insert(id, name)),
        }
    }

    fn remove(&mut self, id: u32, ball: &Ball, names: Option<&[Name]>) {
        self.balls.remove(id, ball);
        match names {
            None => self.unnamed -= 1,
            Some(names) => names.iter().for_each(|name| self.named.remove(id, name)),
        }
    }

    /// Whether any of them may hold for an event of this name.
    fn asks_for(&self, event: &str) -> bool {
        self.unnamed > 0 || self.named.find(event).next().is_some()
    }
}

impl Index {
    /// How many different balls there are.
    pub fn balls(&self) -> usize {
        self.vectors.values().map(|one| one.balls.len()).sum()
    }

    /// Whether a filter costs nothing while no event is near it: it is found by small balls, at places that are looked at anyway.
    pub fn is_free(&self, keys: Option<&[Key]>, members: &[Member]) -> bool {
        let Some(keys) = keys else {
            return false;
        };
        let mut places = BTreeSet::new();
        for key in keys {
            let Key::Ball(number, ball, _) = key else {
                return false;
            };
            let Some(Member { name, .. }) = members.get(*number as usize) else {
                return false;
            };
            let known = self.vectors.get(name);
            if ball.radius() > FREE_RADIUS || known.is_some_and(|known| !known.is_free) {
                return false;
            }
            if known.is_none() && **name != *VECTOR {
                places.insert(name);
            }
        }
        self.free_places() + places.len() <= FREE_PLACES
    }

    fn free_places(&self) -> usize {
        let places = self.vectors.values().filter(|one| one.is_free);
        places.filter(|one| *one.member.name != *VECTOR).count()
    }

    /// File a filter with these members under its keys, or as one without them.
    pub fn insert(
        &mut self,
        id: u32,
        (keys, members): (Option<&[Key]>, &[Member]),
        paths: &mut Paths,
    ) {
        let Some(keys) = keys else {
            self.rest.insert(id);
            return;
        };
        self.several += usize::from(keys.len() > 1);
        for key in keys {
            match key {
                Key::Ball(number, ball, names) => {
                    if let Some(member) = members.get(*number as usize) {
                        let vectors = self.place(member, paths);
                        vectors.insert(id, ball, names.as_deref());
                    }
                }
                Key::Name(name) => self.named.insert(id, name),
            }
        }
    }

    fn place(&mut self, member: &Member, paths: &mut Paths) -> &mut Vectors {
        let has_room = *member.name == *VECTOR || self.free_places() < FREE_PLACES;
        let vectors = self.vectors.entry(member.name.clone());
        vectors.or_insert_with(|| Vectors {
            member: member.clone(),
            slot: paths.insert(member.steps()),
            balls: Balls::new(),
            is_free: has_room,
            named: Named::default(),
            unnamed: 0,
        })
    }

    /// Take a filter out again that was filed so.
    pub fn remove(&mut self, id: u32, (keys, members): (Option<&[Key]>, &[Member])) {
        let Some(keys) = keys else {
            self.rest.remove(&id);
            return;
        };
        self.several -= usize::from(keys.len() > 1);
        for key in keys {
            match key {
                Key::Ball(number, ball, names) => {
                    let Some(Member { name, .. }) = members.get(*number as usize) else {
                        continue;
                    };
                    let Some(vectors) = self.vectors.get_mut(name) else {
                        continue;
                    };
                    vectors.remove(id, ball, names.as_deref());
                    if vectors.balls.is_empty() {
                        self.vectors.remove(name);
                    }
                }
                Key::Name(name) => self.named.remove(id, name),
            }
        }
    }

    /// The places where vectors are expected stand in other paths now.
    pub fn renumber(&mut self, paths: &mut Paths) {
        for vectors in self.vectors.values_mut() {
            vectors.slot = paths.insert(vectors.member.steps());
        }
    }

    /// The filters that an event may pass, in no order; how many of them it was near. Where no ball is asked of events of its
    /// name, its vector is not looked at.
    pub fn find(&mut self, look: &mut Look<'_>, found: &mut Vec<u32>) -> usize {
        found.clear();
        let event = look.event();
        for vectors in self.vectors.values_mut() {
            if !vectors.asks_for(event) {
                continue;
            }
            if let Some(point) = look.narrow_vector(vectors.slot) {
                let exact = || look.vector(vectors.slot);
                vectors.balls.holding_about(&point, exact, found);
            } else if let Some(point) = look.vector(vectors.slot) {
                vectors.balls.holding(&point, found);
            }
        }
        let near = found.len();
        found.extend(self.named.find(event));
        found.extend(&self.rest);
        if self.several > 0 {
            found.sort_unstable();
            found.dedup();
        }
        near
    }
}
