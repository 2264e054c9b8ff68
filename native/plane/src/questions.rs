//! Questions where the subscriptions of a connection stand: answered once what waited before them is on its way (R11, R16).

use std::collections::VecDeque;

use crate::outbound::Handed;

/// Questions told apart; those beyond wait for what the newest waits for.
const MOST: usize = 16;

/// In the order in which they were asked: what each waits for, and how often it was asked.
#[derive(Debug, Default)]
pub struct Questions(VecDeque<(Handed, usize)>);

impl Questions {
    /// One more, that waits for `waited`.
    pub fn ask(&mut self, waited: Handed) {
        let is_full = self.0.len() >= MOST;
        match self.0.back_mut() {
            Some((newest, count)) if *newest == waited => *count += 1,
            Some((newest, count)) if is_full => (*newest, *count) = (waited, *count + 1),
            _ => self.0.push_back((waited, 1)),
        }
    }

    /// How many are to be answered now; they are asked no more.
    pub fn take(&mut self, has_handed: impl Fn(Handed) -> bool) -> usize {
        let mut due = 0;
        while let Some((_, count)) = self.0.front().filter(|(waited, _)| has_handed(*waited)) {
            due += count;
            self.0.pop_front();
        }
        due
    }

    /// Nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
