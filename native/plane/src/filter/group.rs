//! The filters of a channel where they are looked for: each entry is read once, and evaluated for those that it may pass.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use hashbrown::HashTable;
use slab::Slab;
use space::fetch_ahead;

use crate::entry::Entry;
use crate::filter::index::Index;
use crate::filter::keys::{Key, keys_of};
use crate::filter::look::{Look, Scratch, Subject};
use crate::filter::member::{Member, Places};
use crate::filter::rests::Rests;
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
    seats: Slab<Weak<Sieve>>,
    /// By the numbers of seats: what an event for which a filter is found is asked, and what number the filter has of all. By
    /// themselves, so that they can be fetched before they are needed.
    asked: Vec<u32>,
    ids: Vec<u64>,
    rests: Rests,
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
    passed: Vec<Passed>,
}

/// An entry that passes the filter of a seat: those of one filter lie side by side where they are sorted, and ascend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Passed(u64);

impl Passed {
    fn new(seat: u32, entry: u32) -> Self {
        Self(u64::from(seat) << 32 | u64::from(entry))
    }

    #[allow(clippy::cast_possible_truncation)] // half of it is left
    pub(super) fn seat(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Which of those that are looked at.
    #[allow(clippy::cast_possible_truncation)] // half of it is what was put there
    pub(super) fn entry(self) -> usize {
        self.0 as u32 as usize
    }
}

/// So many filters before what is known of one is needed, it is fetched.
const AHEAD: usize = 8;

/// Have a thing by its number among those of all numbers.
fn put<T: Clone>(all: &mut Vec<T>, number: u32, thing: T) {
    match all.get_mut(number as usize) {
        Some(former) => *former = thing,
        None => all.resize(number as usize + 1, thing),
    }
}

/// A look at what has this number is about to come.
fn expect<T>(all: &[T], number: u32) {
    if let Some(one) = all.get(number as usize) {
        fetch_ahead(one, size_of::<T>());
    }
}

/// What filters have in common that look at the same members.
#[derive(Debug)]
pub(super) struct Shape {
    places: Arc<Places>,
    /// Where these stand in the paths of the group.
    pub(super) slots: Box<[usize]>,
    /// How many filters have it.
    filters: usize,
}

/// An entry of a history, and whether nobody has judged it for all.
pub(super) struct Of<'a> {
    pub(super) history: u64,
    pub(super) entry: &'a Entry,
    /// Which of those that are looked at.
    pub(super) number: u32,
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
pub(super) fn short(number: usize) -> u32 {
    number as u32
}

/// All the bits that a table looks at of a short hash.
pub(super) fn spread(short: u32) -> u64 {
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

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    #[allow(clippy::cast_possible_truncation)] // short is what is asked for
    fn hash(&self, rule: &Rule) -> u32 {
        self.hasher.hash_one(rule.text()) as u32
    }

    /// What is left to be asked of an event for which a filter with these keys is found: the one ball by which alone it is
    /// found need not be looked at again. With its hash.
    fn rest(&self, rule: &Rule, keys: Option<&[Key]>) -> (u32, Rule) {
        let is_near = matches!(keys, Some([Key::Ball(..)])) && rule.node.balls() == 1;
        let rest = if is_near {
            rule.given_ball()
        } else {
            rule.clone()
        };
        (self.hash(&rest), rest)
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
            let sieve = sieve.and_then(Weak::upgrade);
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
        self.seats.insert(Arc::downgrade(&sieve));
        put(&mut self.ids, number, sieve.id);
        let (rest_hash, rest) = self.rest(&sieve.rule, keys);
        let asked = self.rests.insert(rest_hash, &rest.node, shape);
        put(&mut self.asked, number, asked);
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
        let (rest_hash, _) = self.rest(rule, keys.as_deref());
        if self.seats.try_remove(number as usize).is_none() {
            return;
        }
        let asked = self.asked.get(number as usize).copied();
        let Some(number) = asked.and_then(|asked| self.rests.remove(rest_hash, asked)) else {
            return;
        };
        let Some(shape) = self.shapes.get_mut(number as usize) else {
            return;
        };
        shape.filters -= 1;
        if shape.filters == 0 {
            self.shape_of.remove(&shape.places.all);
            self.shape_bytes -= shape.places.held();
            self.shapes.remove(number as usize);
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

    /// Entries are looked at from now on.
    pub(super) fn begin(&mut self) {
        self.passed.clear();
    }

    /// Look at an entry; what it passes is kept for [`Self::passed`].
    pub(super) fn sift(&mut self, of: &Of<'_>, scratch: &mut Scratch) -> Looked {
        let mut looked = Looked::default();
        let subject = Subject::from(of.entry);
        let mut look = Look::new(&subject, &self.paths, scratch);
        looked.near = self.index.find(&mut look, &mut self.found);
        self.rests.begin();
        for ahead in self.found.iter().take(AHEAD) {
            expect(&self.asked, *ahead);
        }
        for (at, seat) in self.found.iter().copied().enumerate() {
            if let Some(ahead) = self.found.get(at + AHEAD) {
                expect(&self.asked, *ahead);
            }
            let Some(asked) = self.asked.get(seat as usize).copied() else {
                continue;
            };
            let mut holds = || {
                looked.judged += 1;
                self.rests.hold(asked, &self.shapes, &mut look)
            };
            let passes = if of.is_new {
                holds()
            } else {
                let sieve = self.seats.get(seat as usize);
                let Some(sieve) = sieve.and_then(Weak::upgrade) else {
                    continue;
                };
                let offset = of.entry.offset();
                let known = sieve.known(of.history, offset, of.front);
                known.unwrap_or_else(|| {
                    looked.again += u64::from(sieve.is_forgotten(of.history, offset));
                    let passes = holds();
                    sieve.note(of.history, offset, passes);
                    passes
                })
            };
            if passes {
                self.passed.push(Passed::new(seat, of.number));
            }
        }
        looked
    }

    /// All entries were looked at.
    pub(super) fn end(&mut self) {
        self.passed.sort_unstable();
    }

    /// What passed, after the end: those of a filter together, and by entry.
    pub(super) fn passed(&self) -> &[Passed] {
        &self.passed
    }

    /// The filter of this seat is about to be told.
    pub(super) fn expect(&self, seat: u32) {
        expect(&self.ids, seat);
    }

    /// The number of the filter that has a seat.
    pub(super) fn id(&self, seat: u32) -> Option<u64> {
        self.ids.get(seat as usize).copied()
    }
}
