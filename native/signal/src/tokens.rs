//! Tokens by the API: what the caller makes, changes and removes.

use std::sync::Arc;

use space::Entry;

use crate::SignalError;
use crate::core::Core;
use crate::record::{Change, Record, Sum};
use crate::slab::Leavers;
use crate::token::{INDEXED, Token};
use crate::vector::{Vector, scaled};

/// A token to be.
#[derive(Debug, Clone, Copy)]
pub struct NewToken {
    /// Finite.
    pub vector: Vector,
    /// Interned.
    pub event_type: u16,
    /// Finite.
    pub weight: f32,
    /// 0–255.
    pub priority: u8,
}

/// What changes of a token; `None` stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenUpdate {
    /// Finite.
    pub vector: Option<Vector>,
    /// Finite.
    pub weight: Option<f32>,
    /// 0–255.
    pub priority: Option<u8>,
}

/// A token with the name of its type.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedToken {
    /// The token.
    pub token: Token,
    /// Its event type.
    pub event_type: Arc<str>,
}

/// A weight, if it is finite.
pub fn check_weight(weight: f64) -> Result<f32, SignalError> {
    #[allow(clippy::cast_possible_truncation)] // an overflow becomes infinite and is refused
    let narrow = weight as f32;
    if narrow.is_finite() {
        return Ok(narrow);
    }
    Err(SignalError::Argument {
        name: "weight",
        expected: "finite as a 32-bit float",
        came: weight.to_string(),
    })
}

impl Core {
    pub fn create(&mut self, now_us: u64, new: NewToken) -> Result<u64, SignalError> {
        self.check_room(1, 0)?;
        let id = self.store_new(now_us, new, true);
        if let Some(token) = self.slab.get(id) {
            let record = Record::Token(Change::Created, Box::new(*token));
            self.tell(record);
        }
        Ok(id)
    }

    /// Many tokens, told as one sum. -> the id of the first
    pub fn create_many(
        &mut self,
        now_us: u64,
        new: impl ExactSizeIterator<Item = NewToken>,
        indexed: bool,
    ) -> Result<u64, SignalError> {
        self.check_room(1, 0)?;
        let (first, count) = (self.slab.last() + 1, new.len() as u64);
        self.fill(now_us, new, indexed);
        if count > 0 {
            let sum = Sum {
                reason: "batch",
                count,
                up_to: self.slab.last(),
            };
            self.tell(Record::Tokens(Change::Created, sum));
        }
        Ok(first)
    }

    /// Many tokens that nobody is told of.
    pub fn fill(
        &mut self,
        now_us: u64,
        mut new: impl ExactSizeIterator<Item = NewToken>,
        indexed: bool,
    ) {
        let evicted = self.counts.evicted;
        // Where nothing else hangs on the tokens that leave, the first of them is told, or kept for the next sum, and the
        // others of the same moment are added to it.
        let is_plain = self.index.is_none() && self.connections.is_empty();
        while !is_plain || self.counts.evicted == evicted {
            let Some(token) = new.next() else { return };
            self.store(now_us, token_of(now_us, token), indexed, None);
            self.counts.created += 1;
        }
        self.counts.created += new.len() as u64;
        let flags = if indexed { INDEXED } else { 0 };
        // Member by member: a token that is put together elsewhere and copied takes several times as long.
        let left = self.slab.extend(new, |place, new| {
            place.pos = new.vector;
            place.created_us = now_us;
            place.nearest_back = Token::EMPTY.nearest_back;
            place.nearest_dist = Token::EMPTY.nearest_dist;
            place.weight = new.weight;
            place.event_type = new.event_type;
            place.priority = new.priority;
            place.flags = flags;
        });
        self.add_evictions(left);
    }

    fn add_evictions(&mut self, left: Leavers) {
        if left.count == 0 {
            return;
        }
        self.counts.evicted += left.count;
        self.evicted = Some(Sum {
            reason: "evicted",
            count: self.evicted.map_or(0, |sum| sum.count) + left.count,
            up_to: left.up_to,
        });
    }

    fn store_new(&mut self, now_us: u64, new: NewToken, indexed: bool) -> u64 {
        self.counts.created += 1;
        self.store(now_us, token_of(now_us, new), indexed, None)
    }

    pub fn update(&mut self, id: u64, update: TokenUpdate) -> Result<bool, SignalError> {
        self.check_room(1, 0)?;
        let Some(token) = self.slab.get_mut(id) else {
            return Ok(false);
        };
        token.weight = update.weight.unwrap_or(token.weight);
        token.priority = update.priority.unwrap_or(token.priority);
        token.pos = update.vector.unwrap_or(token.pos);
        let token = *token;
        if update.vector.is_some() {
            self.move_point(&token);
        }
        self.tell(Record::Token(Change::Updated, Box::new(token)));
        Ok(true)
    }

    fn move_point(&mut self, token: &Token) {
        if let Some(index) = &mut self.index
            && index.remove(token.id)
        {
            index.insert(entry_of(token), &scaled(&token.pos, &self.config.scales));
        }
    }

    pub fn delete(&mut self, id: u64) -> Result<bool, SignalError> {
        self.check_room(2, 0)?;
        let Some(token) = self.slab.remove(id) else {
            return Ok(false);
        };
        if let Some(index) = &mut self.index {
            index.remove(id);
        }
        self.counts.deleted += 1;
        self.tell(Record::Token(Change::Deleted, Box::new(token)));
        self.sever(id);
        Ok(true)
    }

    pub fn clear(&mut self) -> Result<u64, SignalError> {
        self.check_room(2, 0)?;
        let count = self.slab.clear();
        if let Some(index) = &mut self.index {
            index.clear();
        }
        self.counts.deleted += count;
        if count > 0 {
            let sum = Sum {
                reason: "cleared",
                count,
                up_to: self.slab.last(),
            };
            self.tell(Record::Tokens(Change::Deleted, sum));
        }
        let severed = self.connections.clear();
        if severed > 0 {
            self.tell(Record::Severed(severed, self.slab.last()));
        }
        Ok(count)
    }

    /// Add tokens below `before` to `found`, newest first, until it holds `limit`; looks at `steps` ids at most.
    /// -> where to go on, if there may be more
    pub fn list(
        &self,
        before: u64,
        limit: usize,
        steps: u64,
        found: &mut Vec<NamedToken>,
    ) -> Option<u64> {
        let first = self.slab.first();
        let newest = before.saturating_sub(1).min(self.slab.last());
        let oldest = (newest + 1).saturating_sub(steps).max(first);
        for id in (oldest..=newest).rev() {
            if found.len() >= limit {
                return None;
            }
            found.extend(self.slab.get(id).map(|token| self.named(token)));
        }
        (oldest > first && found.len() < limit).then_some(oldest)
    }

    pub fn named(&self, token: &Token) -> NamedToken {
        NamedToken {
            token: *token,
            event_type: self.interner.names().get(token.event_type),
        }
    }

    /// Other scales: the index is filled again.
    pub fn set_scales(&mut self, scales: Vector) {
        self.config.scales = scales;
        let Some(mut index) = self.index.take() else {
            return;
        };
        index.clear();
        for token in self.window() {
            index.insert(entry_of(token), &scaled(&token.pos, &scales));
        }
        self.index = Some(index);
    }
}

fn token_of(now_us: u64, new: NewToken) -> Token {
    Token {
        pos: new.vector,
        created_us: now_us,
        weight: new.weight,
        event_type: new.event_type,
        priority: new.priority,
        ..Token::EMPTY
    }
}

pub(crate) fn entry_of(token: &Token) -> Entry {
    Entry {
        id: token.id,
        event_type: token.event_type,
    }
}
