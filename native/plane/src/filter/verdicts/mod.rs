//! What a filter has let through of one history: two bits for each entry that was judged by itself, and nothing for those
//! that were judged together with others and do not pass.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::filter::notes::Taken;
use crate::filter::totals::Totals;

/// Words of 64 entries that are kept: of more, the newest. Three eighths of a mebibyte.
const MAX_WORDS: usize = 1 << 14;
/// Words that there is room for at first; then as many more as there are.
const FIRST_WORDS: usize = 2;

/// Entries that were judged for all filters of a channel: those after `after` up to `upto`. What of them is not noted as
/// passing does not pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The last one before them.
    pub after: u64,
    /// The last one of them.
    pub upto: u64,
}

impl Judged {
    fn has(&self, offset: u64) -> bool {
        self.after < offset && offset <= self.upto
    }

    /// Those of them in a word.
    fn in_word(&self, number: u64) -> u64 {
        let mut masks = masks(
            self.after.max((number * 64).saturating_sub(1)),
            self.upto.min(number * 64 + 63),
        );
        let begins_with_it = number == 0 && self.has(0);
        masks.next().map_or(0, |(_, mask)| mask) | u64::from(begins_with_it)
    }
}

/// The verdicts of one filter on one history of a channel.
#[derive(Debug)]
pub struct Verdicts {
    /// Who counts their bytes, and says when there are enough.
    totals: Arc<Totals>,
    history: u64,
    /// Of the words below this one, some were let go.
    whole_from: u64,
    /// Nothing as long as nothing passed, or was judged by itself: most filters pass next to nothing.
    noted: Option<Box<Noted>>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Ascending by number.
    words: VecDeque<Word>,
    /// Words that there is room for, and that are counted.
    room: usize,
}

impl Noted {
    /// Bytes that are counted for so much room.
    fn bytes(room: usize) -> usize {
        if room == 0 {
            return 0;
        }
        size_of::<Self>() + room * size_of::<Word>()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Word {
    number: u64,
    known: u64,
    passes: u64,
}

/// The word of an entry, and its bit there.
pub fn place(offset: u64) -> (u64, u64) {
    (offset / 64, 1 << (offset % 64))
}

impl Drop for Verdicts {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Verdicts {
    /// None yet.
    pub fn new(totals: Arc<Totals>) -> Self {
        Self {
            totals,
            history: 0,
            whole_from: 0,
            noted: None,
        }
    }

    fn let_go(&mut self) {
        if let Some(noted) = self.noted.take() {
            self.totals.shrink(Noted::bytes(noted.room));
        }
    }

    /// Whether what was known of an entry may have been let go, for want of room.
    pub fn is_forgotten(&self, offset: u64) -> bool {
        place(offset).0 < self.whole_from
    }

    /// Be about a history, which is called by the turn of the log that began it: what is known of a former one is forgotten.
    /// False for one that is over.
    pub fn enter(&mut self, history: u64) -> bool {
        if history > self.history {
            self.history = history;
            self.let_go();
            self.whole_from = 0;
        }
        history == self.history
    }

    /// What was judged of an entry.
    pub fn get(&self, offset: u64, judged: Judged) -> Option<bool> {
        let (number, bit) = place(offset);
        let word = self.word(number, judged);
        (word.known & bit != 0).then_some(word.passes & bit != 0)
    }

    /// What is known of the entries of a word.
    fn word(&self, number: u64, judged: Judged) -> Word {
        let found = self.noted.as_ref().and_then(|noted| {
            let at = noted
                .words
                .binary_search_by_key(&number, |word| word.number);
            noted.words.get(at.ok()?)
        });
        let mut word = found.copied().unwrap_or_default();
        if number >= self.whole_from {
            word.known |= judged.in_word(number);
        }
        word
    }

    /// Note what was judged, unless it is of long before what was judged last.
    pub fn set(&mut self, offset: u64, passes: bool) {
        let (number, bit) = place(offset);
        let Some(word) = self.reach(number) else {
            return;
        };
        word.known |= bit;
        if passes {
            word.passes |= bit;
        }
    }

    /// Take over what was noted where entries were judged together.
    pub fn take_over(&mut self, taken: &Taken) {
        for (number, passes) in &taken.words {
            if let Some(word) = self.reach(*number) {
                word.known |= passes;
                word.passes |= passes;
            }
        }
        self.whole_from = self.whole_from.max(taken.whole_from);
    }

    /// Have a word of this number, as far as the bound allows it.
    fn reach(&mut self, number: u64) -> Option<&mut Word> {
        if number < self.whole_from {
            return None;
        }
        let found = match self.noted.as_ref().map(|noted| &noted.words) {
            None => Err(0),
            Some(words) if words.back().is_none_or(|word| word.number < number) => Err(words.len()),
            Some(words) => words.binary_search_by_key(&number, |word| word.number),
        };
        let at = match found {
            Ok(at) => at,
            Err(at) => {
                let at = self.make_room(at, number)?;
                let word = Word {
                    number,
                    ..Word::default()
                };
                self.noted.as_mut()?.words.insert(at, word);
                at
            }
        };
        self.noted.as_mut()?.words.get_mut(at)
    }

    /// Where a word may stand that belongs at `at`: the oldest goes where there is no room, and that may be this one.
    fn make_room(&mut self, at: usize, number: u64) -> Option<usize> {
        let has_room = |noted: &Noted| noted.words.len() < noted.room;
        if self.noted.as_deref().is_some_and(has_room) || self.grow() {
            return Some(at);
        }
        let Some(at) = at.checked_sub(1) else {
            self.whole_from = number + 1;
            return None;
        };
        if let Some(oldest) = self.noted.as_mut()?.words.pop_front() {
            self.whole_from = oldest.number + 1;
        }
        Some(at)
    }

    fn grow(&mut self) -> bool {
        let room = self.noted.as_ref().map_or(0, |noted| noted.room);
        let more = room.max(FIRST_WORDS).min(MAX_WORDS - room);
        let bytes = Noted::bytes(room + more) - Noted::bytes(room);
        if more == 0 || !self.totals.grow(bytes) {
            return false;
        }
        let noted = self.noted.get_or_insert_default();
        noted.room = room + more;
        noted.words.reserve_exact(noted.room - noted.words.len());
        true
    }

    /// Entries after `after` up to `to` that pass, if all of them were judged.
    pub fn owed(&self, after: u64, to: u64, judged: Judged) -> Option<u64> {
        let mut owed = 0;
        for (number, mask) in masks(after, to) {
            let word = self.word(number, judged);
            if word.known & mask != mask {
                return None;
            }
            owed += u64::from((word.passes & mask).count_ones());
        }
        Some(owed)
    }

    /// Entries after `after` up to `to` that were not judged.
    pub fn unknown(&self, after: u64, to: u64, judged: Judged) -> u64 {
        let unknown = |(number, mask): (u64, u64)| {
            let known = self.word(number, judged).known;
            u64::from((mask & !known).count_ones())
        };
        masks(after, to).map(unknown).sum()
    }

    /// The same one by one.
    pub fn unknown_of(&self, after: u64, to: u64, judged: Judged) -> Vec<u64> {
        let unknown = |(number, mask): (u64, u64)| {
            let known = self.word(number, judged).known;
            let bits = (0..64).filter(move |bit| mask & !known & (1 << bit) != 0);
            bits.map(move |bit| number * 64 + bit)
        };
        masks(after, to).flat_map(unknown).collect()
    }
}

/// The words of the entries after `after` up to `to`, each with their bits in it.
fn masks(after: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    let (first, end) = (after + 1, to.max(after) + 1);
    (first / 64..end.div_ceil(64)).filter_map(move |number| {
        let begin = first.saturating_sub(number * 64);
        let len = (end - number * 64).min(64);
        let mask = (u64::MAX << begin) & (u64::MAX >> (64 - len));
        (mask != 0).then_some((number, mask))
    })
}

#[cfg(test)]
mod tests;
