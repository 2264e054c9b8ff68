//! What a filter has let through of one history: two bits for each entry that was judged.

use std::collections::VecDeque;

/// Words of 64 entries that are kept: of a longer stretch, the newest. A quarter of a mebibyte.
const MAX_WORDS: u64 = 1 << 14;

/// The verdicts of one filter on one history of a channel.
#[derive(Debug, Default)]
pub struct Verdicts {
    history: u64,
    /// The number of the first word.
    base: u64,
    words: VecDeque<Word>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Word {
    known: u64,
    passes: u64,
}

fn place(offset: u64) -> (u64, u64) {
    (offset / 64, 1 << (offset % 64))
}

impl Verdicts {
    /// Be about a history, which is called by the turn of the log that began it: what is known of a former one is forgotten.
    /// False for one that is over.
    pub fn enter(&mut self, history: u64) -> bool {
        if history > self.history {
            self.history = history;
            self.words.clear();
        }
        history == self.history
    }

    /// What was judged of an entry.
    pub fn get(&self, offset: u64) -> Option<bool> {
        let (number, bit) = place(offset);
        let word = self.word(number)?;
        (word.known & bit != 0).then_some(word.passes & bit != 0)
    }

    fn word(&self, number: u64) -> Option<&Word> {
        let at = usize::try_from(number.checked_sub(self.base)?).ok()?;
        self.words.get(at)
    }

    /// Note what was judged, unless it is of long before what was judged last.
    pub fn set(&mut self, offset: u64, passes: bool) {
        let (number, bit) = place(offset);
        self.reach(number);
        let at = number
            .checked_sub(self.base)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(word) = at.and_then(|at| self.words.get_mut(at)) {
            word.known |= bit;
            if passes {
                word.passes |= bit;
            }
        }
    }

    /// Have a word of this number, as far as the bound allows it.
    fn reach(&mut self, number: u64) {
        let end = self.base + self.words.len() as u64;
        if self.words.is_empty() || number >= end + MAX_WORDS {
            self.words.clear();
            self.words.push_back(Word::default());
            self.base = number;
        } else if number >= end {
            let more = usize::try_from(number + 1 - end).unwrap_or(0);
            self.words
                .extend(std::iter::repeat_n(Word::default(), more));
            while self.words.len() as u64 > MAX_WORDS {
                self.words.pop_front();
                self.base += 1;
            }
        } else if number < self.base && end - number <= MAX_WORDS {
            while self.base > number {
                self.words.push_front(Word::default());
                self.base -= 1;
            }
        }
    }

    /// Entries after `after` up to `to` that pass, if all of them were judged.
    pub fn owed(&self, after: u64, to: u64) -> Option<u64> {
        let mut owed = 0;
        for (number, mask) in masks(after, to) {
            let word = self.word(number)?;
            if word.known & mask != mask {
                return None;
            }
            owed += u64::from((word.passes & mask).count_ones());
        }
        Some(owed)
    }

    /// Entries after `after` up to `to` that were not judged.
    pub fn unknown(&self, after: u64, to: u64) -> u64 {
        let unknown = |(number, mask): (u64, u64)| {
            let known = self.word(number).map_or(0, |word| word.known);
            u64::from((mask & !known).count_ones())
        };
        masks(after, to).map(unknown).sum()
    }

    /// The same one by one.
    pub fn unknown_of(&self, after: u64, to: u64) -> Vec<u64> {
        let unknown = |(number, mask): (u64, u64)| {
            let known = self.word(number).map_or(0, |word| word.known);
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// M48: counts are those of the entries one by one, and known only where each is.
        #[test]
        fn counts_are_those_of_the_entries(
            judged in prop::collection::btree_map(1_u64..400, any::<bool>(), 0..300),
            after in 0_u64..420,
            len in 0_u64..420,
        ) {
            let mut verdicts = Verdicts::default();
            // In an order that goes up and down.
            let (high, low): (Vec<_>, Vec<_>) = judged.iter().partition(|(offset, _)| **offset > 200);
            for (offset, passes) in high.into_iter().chain(low) {
                verdicts.set(*offset, *passes);
            }
            let to = after + len;
            let all: Vec<Option<bool>> = (after + 1..=to).map(|one| judged.get(&one).copied()).collect();
            for (offset, expected) in (after + 1..=to).zip(&all) {
                prop_assert_eq!(*expected, verdicts.get(offset));
            }
            let unknown = all.iter().filter(|one| one.is_none()).count() as u64;
            prop_assert_eq!(unknown, verdicts.unknown(after, to));
            let not_judged = |one: &u64| !judged.contains_key(one);
            prop_assert_eq!((after + 1..=to).filter(not_judged).collect::<Vec<_>>(), verdicts.unknown_of(after, to));
            let owed = all.iter().filter(|one| **one == Some(true)).count() as u64;
            prop_assert_eq!((unknown == 0).then_some(owed), verdicts.owed(after, to));
        }
    }

    /// Memory is bounded: of a long stretch the newest stay, and what is far behind is not noted.
    #[test]
    fn the_newest_stay() {
        let mut verdicts = Verdicts::default();
        let far = 64 * MAX_WORDS;
        for offset in [1, 64, far, far + 64, 5 * far, 5 * far - 100, 3 * far] {
            verdicts.set(offset, true);
            assert!(verdicts.words.len() as u64 <= MAX_WORDS);
        }
        let known = [1, 64, far, far + 64, 3 * far, 5 * far - 100, 5 * far];
        let expected = [None, None, None, None, None, Some(true), Some(true)];
        assert_eq!(expected, known.map(|offset| verdicts.get(offset)));
    }

    /// F12: what was judged in one history says nothing of another, though their offsets are the same numbers.
    #[test]
    fn another_history_is_judged_anew() {
        let mut verdicts = Verdicts::default();
        assert!(verdicts.enter(3));
        verdicts.set(7, true);
        assert!(verdicts.enter(3));
        assert_eq!(Some(true), verdicts.get(7));
        assert!(!verdicts.enter(2), "it is over");
        assert!(verdicts.enter(4));
        assert_eq!(None, verdicts.get(7));
    }
}
