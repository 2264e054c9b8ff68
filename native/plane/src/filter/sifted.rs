//! What of a log is owed through a filter, or to everybody.

use crate::filter::look::Scratch;
use crate::filter::sieve::{COUNTED, Sieve};
use crate::log::Log;

/// A log seen through a filter; without one, everything in it is owed.
#[derive(Debug)]
pub struct Sifted<'a> {
    log: &'a Log,
    sieve: Option<&'a Sieve>,
    scratch: &'a mut Scratch,
}

impl<'a> Sifted<'a> {
    /// `log` through `sieve`.
    pub fn new(log: &'a Log, sieve: Option<&'a Sieve>, scratch: &'a mut Scratch) -> Self {
        Self {
            log,
            sieve,
            scratch,
        }
    }

    /// Whether an entry of the ring is owed.
    pub fn passes(&mut self, offset: u64) -> bool {
        match (self.sieve, self.log.get(offset)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(sieve), Some(entry)) => sieve.passes(self.log.history(), entry, self.scratch),
        }
    }

    /// The place before the newest `count` owed entries up to `head`, no further back than `after`.
    pub fn before_newest(&mut self, count: u64, after: u64, head: u64) -> u64 {
        if self.sieve.is_none() || count == 0 {
            return head.saturating_sub(count).max(after);
        }
        let mut left = count;
        for offset in (after + 1..=head).rev() {
            left -= u64::from(self.passes(offset));
            if left == 0 {
                return offset - 1;
            }
        }
        after
    }

    /// Owed entries after `after` up to `to`, where that can be known: what has left the log may have been judged before.
    pub fn owed(&mut self, after: u64, to: u64) -> Option<u64> {
        let Some(sieve) = self.sieve else {
            return Some(to.saturating_sub(after));
        };
        let history = self.log.history();
        if let Some(owed) = sieve.owed(history, after, to) {
            return Some(owed);
        }
        if sieve.cost(self.log, after, to) > COUNTED {
            return None;
        }
        let kept = self.log.first().max(after + 1);
        let gone = sieve.owed(history, after, (kept - 1).min(to))?;
        let here = (kept..=to).filter(|offset| self.passes(*offset)).count();
        Some(gone + here as u64)
    }
}
