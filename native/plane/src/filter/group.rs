//! The filters of a channel where they are looked for: each entry is read once, and evaluated for those that it may pass.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use hashbrown::HashTable;
use slab::Slab;
use space::fetch_ahead;

use crate::entry::Entry;
use crate::filter::holds::holds;
use crate::filter::index::Index;
use crate::filter::keys::{Key, keys_of};
use crate::filter::look::{Look, Scratch, Subject};
use crate::filter::member::{Member, Places};
use crate::filter::node::Node;
use crate::filter::roster::Front;
use crate::filter::rule::Rule;
use crate::filter::sieve::Sieve;
use crate::filter::totals::Shared;
use crate::json::Paths;

/// So many shapes that have gone keep their places among the paths, whatever there is.
const STALE: usize = 64;

/// The filters of a channel.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// By number.
    seats: Slab<Seat>,
    /// Their numbers, by what they say, of which each has a short hash beside it.
    rules: HashTable<(u32, u32)>,
    hasher: RandomState,
    shapes: Slab<Shape>,
    /// Bytes of these.
    shape_bytes: usize,
    /// Their numbers, by the members that are looked at.
    shape_of: HashMap<Box<[Member]>, u32>,
    index: Index,
    /// The places that any of them looks at.
    paths: Paths,
    /// How many shapes have gone since the paths were put together.
    left: usize,
    found: Vec<u32>,
}

#[derive(Debug)]
struct Seat {
    sieve: Weak<Sieve>,
    node: Arc<Node>,
    shape: u32,
    /// It asks of one ball, by which alone it is found: that need not be looked at again.
    is_near: bool,
}

impl Seat {
    /// What evaluating it will look at first.
    fn expect(&self) {
        fetch_ahead(Arc::as_ptr(&self.node), size_of::<Node>());
        fetch_ahead(self.sieve.as_ptr(), size_of::<Sieve>());
    }
}

/// So many filters before it is evaluated, one is fetched.
const AHEAD: usize = 4;

/// What filters have in common that look at the same members.
#[derive(Debug)]
struct Shape {
    places: Arc<Places>,
    /// Where these stand in the paths of the group.
    slots: Box<[usize]>,
    /// How many filters have it.
    filters: usize,
}

/// An entry of a history, and whether nobody has judged it for all.
pub(super) struct Of<'a> {
    pub(super) history: u64,
    pub(super) entry: &'a Entry,
    pub(super) is_new: bool,
    pub(super) front: &'a Front,
}

/// What looking at an entry came to.
#[derive(Default)]
pub(super) struct Looked {
    /// Filters that were evaluated.
    pub(super) judged: u64,
    /// Those of them whose verdict had been let go.
    pub(super) again: u64,
    /// Filters found by a ball.
    pub(super) near: usize,
}

#[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
fn short(number: usize) -> u32 {
    number as u32
}

/// All the bits that a table looks at of a short hash.
fn spread(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn slots(members: &[Member], paths: &mut Paths) -> Box<[usize]> {
    let slots = members.iter().map(|member| paths.insert(member.steps()));
    slots.collect()
}

impl Group {
    /// What they have in common.
    pub(super) fn shared(&self) -> Shared {
        Shared {
            balls: self.index.balls(),
            bytes: self.shape_bytes,
        }
    }

    /// See [`Index::is_free`].
    pub(super) fn is_free(&self, keys: Option<&[Key]>, rule: &Rule) -> bool {
        self.index.is_free(keys, &rule.places.all)
    }

    #[allow(clippy::cast_possible_truncation)] // short is what is asked for
    fn hash(&self, rule: &Rule) -> u32 {
        self.hasher.hash_one(rule.text()) as u32
    }

    /// The one that says the same, if somebody follows through it.
    pub(super) fn find(&self, rule: &Rule) -> Option<Arc<Sieve>> {
        let mut found = None;
        let hash = self.hash(rule);
        self.rules.find(spread(hash), |(short, seat)| {
            if *short != hash {
                return false;
            }
            let sieve = self.seats.get(*seat as usize);
            let sieve = sieve.and_then(|seat| seat.sieve.upgrade());
            found = sieve.filter(|sieve| sieve.rule.is(rule));
            found.is_some()
        });
        found
    }

    /// List another one, of which `make` makes a sieve with its number.
    pub(super) fn insert(
        &mut self,
        rule: Rule,
        keys: Option<&[Key]>,
        make: impl FnOnce(u32, Rule) -> Sieve,
    ) -> Arc<Sieve> {
        let hash = self.hash(&rule);
        let shape = self.shape(&rule.places);
        let places = self.shapes.get(shape as usize).map(|one| &one.places);
        let places = Arc::clone(places.unwrap_or(&rule.places));
        let number = short(self.seats.vacant_key());
        let sieve = Arc::new(make(number, Rule { places, ..rule }));
        self.seats.insert(Seat {
            sieve: Arc::downgrade(&sieve),
            node: Arc::clone(&sieve.rule.node),
            shape,
            is_near: matches!(keys, Some([Key::Ball(..)])) && sieve.rule.node.balls() == 1,
        });
        let members = &sieve.rule.places.all;
        self.index.insert(number, (keys, members), &mut self.paths);
        let rehash = |(short, _): &(u32, u32)| spread(*short);
        self.rules
            .insert_unique(spread(hash), (hash, number), rehash);
        sieve
    }

    /// The shape with these members, counted once more.
    fn shape(&mut self, places: &Arc<Places>) -> u32 {
        if let Some(known) = self.shape_of.get(&places.all) {
            if let Some(shape) = self.shapes.get_mut(*known as usize) {
                shape.filters += 1;
            }
            return *known;
        }
        let shape = Shape {
            places: Arc::clone(places),
            slots: slots(&places.all, &mut self.paths),
            filters: 1,
        };
        self.shape_bytes += places.held();
        let number = short(self.shapes.insert(shape));
        self.shape_of.insert(places.all.clone(), number);
        number
    }

    /// One that nobody follows through any more.
    pub(super) fn remove(&mut self, number: u32, rule: &Rule) {
        let hash = self.hash(rule);
        if let Ok(entry) = self
            .rules
            .find_entry(spread(hash), |(_, other)| *other == number)
        {
            entry.remove();
        }
        let keys = keys_of(&rule.node);
        self.index
            .remove(number, (keys.as_deref(), &rule.places.all));
        let Some(seat) = self.seats.try_remove(number as usize) else {
            return;
        };
        let Some(shape) = self.shapes.get_mut(seat.shape as usize) else {
            return;
        };
        shape.filters -= 1;
        if shape.filters == 0 {
            self.shape_of.remove(&shape.places.all);
            self.shape_bytes -= shape.places.held();
            self.shapes.remove(seat.shape as usize);
            self.left += 1;
        }
    }

    /// Put the paths together again, once most of what is in them may be of shapes that have gone.
    pub(super) fn renew_paths(&mut self) {
        if self.left <= self.shapes.len().max(STALE) {
            return;
        }
        self.left = 0;
        self.paths = Paths::default();
        for (_, shape) in &mut self.shapes {
            shape.slots = slots(&shape.places.all, &mut self.paths);
        }
        self.index.renumber(&mut self.paths);
    }

    /// Tell the filters that an entry passes.
    pub(super) fn sift(
        &mut self,
        of: &Of<'_>,
        scratch: &mut Scratch,
        mut hit: impl FnMut(u64),
    ) -> Looked {
        let (mut looked, mut again) = (Looked::default(), 0);
        let subject = Subject::from(of.entry);
        let mut look = Look::new(&subject, &self.paths, scratch);
        looked.near = self.index.find(&mut look, &mut self.found);
        let seats = &self.seats;
        let expect = |number: &u32| {
            if let Some(seat) = seats.get(*number as usize) {
                seat.expect();
            }
        };
        self.found.iter().take(AHEAD).for_each(expect);
        for (place, number) in self.found.iter().enumerate() {
            self.found.get(place + AHEAD).into_iter().for_each(expect);
            let Some(seat) = seats.get(*number as usize) else {
                continue;
            };
            let Some(shape) = self.shapes.get(seat.shape as usize) else {
                continue;
            };
            let offset = of.entry.offset();
            let mut passes = || {
                look.is_near = seat.is_near;
                looked.judged += 1;
                holds(&seat.node, &shape.slots, &mut look)
            };
            // What is new needs no note to be known as what does not pass.
            if of.is_new && !passes() {
                continue;
            }
            let Some(sieve) = seat.sieve.upgrade() else {
                continue;
            };
            let known = sieve.known(of.history, offset, of.front);
            let passes = known.unwrap_or_else(|| {
                let was_judged = !of.is_new && sieve.verdicts().is_forgotten(offset);
                again += u64::from(was_judged);
                let passes = of.is_new || passes();
                sieve.note(of.history, offset, passes);
                passes
            });
            if passes {
                hit(sieve.id);
            }
        }
        looked.again = again;
        looked
    }
}
