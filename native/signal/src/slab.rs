//! Where tokens live: a ring of `capacity` slots, allocated in pieces when they are first reached, never moved.

use crate::token::{ACTIVE, Token};

/// Tokens in a piece: 4 MiB.
const PIECE: u64 = 65_536;

/// The newest `capacity` tokens; the oldest leaves when its slot comes round.
pub struct Slab {
    capacity: u64,
    pieces: Vec<Vec<Token>>,
    last: u64,
    /// Where the next token goes.
    slot: u64,
    /// Ids up to here were cleared at once.
    floor: u64,
    live: u64,
}

/// A token whose slot came round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaver {
    /// What it was.
    pub id: u64,
}

/// Tokens whose slots came round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leavers {
    /// How many.
    pub count: u64,
    /// The newest of them.
    pub up_to: u64,
}

impl Slab {
    /// An empty slab; nothing is allocated yet.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            pieces: Vec::new(),
            last: 0,
            slot: 0,
            floor: 0,
            live: 0,
        }
    }

    /// The id of the newest token ever pushed.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Tokens that exist.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// The oldest id that may still exist.
    pub fn first(&self) -> u64 {
        self.floor.max(self.last.saturating_sub(self.capacity)) + 1
    }

    /// Bytes reserved for tokens.
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(Vec::capacity).sum::<usize>() * size_of::<Token>()
    }

    /// Store `token` under the next id. -> the id, and what had to leave for it
    pub fn push(&mut self, mut token: Token) -> (u64, Option<Leaver>) {
        self.last += 1;
        token.id = self.last;
        token.flags |= ACTIVE;
        let old = self.store(token).filter(|old| old.id > self.floor);
        self.live += u64::from(old.is_none());
        (token.id, old)
    }

    /// Store many tokens under the next ids, `write` making each of what was in its slot. -> what had to leave for them
    pub fn extend<T>(
        &mut self,
        mut new: impl ExactSizeIterator<Item = T>,
        write: impl Fn(&mut Token, T),
    ) -> Leavers {
        let mut left = Leavers::default();
        while new.len() > 0 {
            let (number, offset) = split(self.slot);
            let piece = self.pieces.get_mut(number);
            let Some(run @ [_, ..]) = piece.and_then(|piece| piece.get_mut(offset..)) else {
                // A slot that was never reached.
                let mut token = Token::EMPTY;
                new.next()
                    .into_iter()
                    .for_each(|new| write(&mut token, new));
                self.push(token);
                continue;
            };
            let (floor, start) = (self.floor, self.last);
            let (mut last, mut gone) = (start, 0_u64);
            for (place, new) in run.iter_mut().zip(new.by_ref()) {
                last += 1;
                if place.is_active() && place.id > floor {
                    gone += 1;
                    left.up_to = place.id;
                }
                write(place, new);
                place.id = last;
                place.flags |= ACTIVE;
            }
            let stored = last - start;
            self.last = last;
            self.slot = (self.slot + stored) % self.capacity;
            self.live += stored - gone;
            left.count += gone;
        }
        left
    }

    /// Put it into the next slot. -> what existed there
    fn store(&mut self, token: Token) -> Option<Leaver> {
        let (number, offset) = split(self.slot);
        if number == self.pieces.len() {
            let left = self.capacity - self.slot;
            let size = usize::try_from(left.min(PIECE)).unwrap_or(usize::MAX);
            self.pieces.push(Vec::with_capacity(size));
        }
        self.slot += 1;
        if self.slot == self.capacity {
            self.slot = 0;
        }
        let piece = &mut self.pieces[number];
        // Slots are reached in order, so the first round only ever appends.
        let Some(place) = piece.get_mut(offset) else {
            piece.push(token);
            return None;
        };
        let old = place.is_active().then_some(Leaver { id: place.id });
        *place = token;
        old
    }

    /// The token with this id, if it exists.
    pub fn get(&self, id: u64) -> Option<&Token> {
        let (number, offset) = self.place(id)?;
        self.pieces
            .get(number)?
            .get(offset)
            .filter(|token| token.id == id && token.is_active())
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Token> {
        let (number, offset) = self.place(id)?;
        self.pieces
            .get_mut(number)?
            .get_mut(offset)
            .filter(|token| token.id == id && token.is_active())
    }

    fn place(&self, id: u64) -> Option<(usize, usize)> {
        (id >= self.first() && id <= self.last).then(|| split((id - 1) % self.capacity))
    }

    /// Take the token with this id out.
    pub fn remove(&mut self, id: u64) -> Option<Token> {
        let token = self.get_mut(id)?;
        token.flags &= !ACTIVE;
        let mut taken = *token;
        taken.flags |= ACTIVE;
        self.live -= 1;
        Some(taken)
    }

    /// Take all tokens out, without touching them. -> how many there were
    pub fn clear(&mut self) -> u64 {
        self.floor = self.last;
        std::mem::take(&mut self.live)
    }
}

#[allow(clippy::cast_possible_truncation)] // below the capacity, which is at most 2³¹
fn split(slot: u64) -> (usize, usize) {
    ((slot / PIECE) as usize, (slot % PIECE) as usize)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]

    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn token(weight: f32) -> Token {
        Token {
            weight,
            ..Token::EMPTY
        }
    }

    #[test]
    fn ids_start_at_one_and_the_oldest_leaves_when_its_slot_comes_round() {
        let mut slab = Slab::new(1_024);
        for n in 1..=1_024 {
            assert_eq!((n, None), slab.push(token(1.0)));
        }
        let (id, left) = slab.push(token(2.0));
        assert_eq!((1_025, 1), (id, left.unwrap().id));
        assert_eq!(1_024, slab.live());
        assert!(slab.get(1).is_none());
        assert_eq!(2.0, slab.get(1_025).unwrap().weight);
    }

    #[test]
    fn memory_comes_in_pieces_and_never_beyond_the_capacity() {
        let mut slab = Slab::new(65_536 + 100);
        assert_eq!(0, slab.bytes());
        slab.push(token(1.0));
        assert_eq!(65_536 * 64, slab.bytes());
        for _ in 0..200_000 {
            slab.push(token(1.0));
        }
        assert_eq!((65_536 + 100) * 64, slab.bytes());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push,
        Extend(u64),
        Remove(u64),
        Clear,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            60 => Just(Step::Push),
            10 => (0_u64..40).prop_map(Step::Extend),
            20 => (0_u64..80).prop_map(Step::Remove),
            1 => Just(Step::Clear),
        ];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn a_slab_is_a_map_of_the_newest_ids(steps in steps()) {
            let capacity = 16;
            let mut slab = Slab::new(capacity);
            let mut model: BTreeSet<u64> = BTreeSet::new();
            let mut last = 0_u64;
            for step in steps {
                match step {
                    Step::Push => {
                        last += 1;
                        let leaver = last.checked_sub(capacity).filter(|id| model.remove(id));
                        let (id, left) = slab.push(token(1.0));
                        model.insert(id);
                        prop_assert_eq!((last, leaver), (id, left.map(|token| token.id)));
                    }
                    Step::Extend(count) => {
                        let mut left = Leavers::default();
                        for id in last + 1..=last + count {
                            model.insert(id);
                            if let Some(leaver) = id.checked_sub(capacity).filter(|id| model.remove(id)) {
                                left = Leavers { count: left.count + 1, up_to: leaver };
                            }
                        }
                        last += count;
                        let write = |place: &mut Token, weight| *place = token(weight);
                        let new = vec![1.0; usize::try_from(count).unwrap()].into_iter();
                        prop_assert_eq!(left, slab.extend(new, write));
                    }
                    Step::Remove(id) => {
                        prop_assert_eq!(model.remove(&id), slab.remove(id).is_some());
                    }
                    Step::Clear => {
                        prop_assert_eq!(model.len() as u64, slab.clear());
                        model.clear();
                    }
                }
                prop_assert_eq!(model.len() as u64, slab.live());
                for id in 0..=last + 1 {
                    prop_assert_eq!(model.contains(&id), slab.get(id).is_some());
                }
            }
        }
    }
}
