//! What a filter has let through of one history: two bits for each entry that was judged by itself, and nothing for those
//! that were judged together with others and do not pass.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::filter::totals::Totals;

/// Words of 64 entries that are kept: of more, the newest. Three eighths of a mebibyte.
const MAX_WORDS: usize = 1 << 14;
/// Words that there is room for at first; then as many more as there are.
const FIRST_WORDS: usize = 8;

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
    /// Ascending by number.
    words: VecDeque<Word>,
    /// Words that there is room for, and that are counted.
    room: usize,
    /// Of the words below this one, some were let go.
    whole_from: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Word {
    number: u64,
    known: u64,
    passes: u64,
}

fn place(offset: u64) -> (u64, u64) {
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
            words: VecDeque::new(),
            room: 0,
            whole_from: 0,
        }
    }

    fn let_go(&mut self) {
        self.words = VecDeque::new();
        self.totals.shrink(self.room * size_of::<Word>());
        self.room = 0;
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
        let at = self
            .words
            .binary_search_by_key(&number, |word| word.number)
            .ok();
        let mut word = at
            .and_then(|at| self.words.get(at))
            .copied()
            .unwrap_or_default();
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

    /// Have a word of this number, as far as the bound allows it.
    fn reach(&mut self, number: u64) -> Option<&mut Word> {
        if number < self.whole_from {
            return None;
        }
        let is_newest = self.words.back().is_none_or(|word| word.number < number);
        let found = if is_newest {
            Err(self.words.len())
        } else {
            self.words.binary_search_by_key(&number, |word| word.number)
        };
        let at = match found {
            Ok(at) => at,
            Err(at) => {
                let at = self.make_room(at, number)?;
                let word = Word {
                    number,
                    ..Word::default()
                };
                self.words.insert(at, word);
                at
            }
        };
        self.words.get_mut(at)
    }

    /// Where a word may stand that belongs at `at`: the oldest goes where there is no room, and that may be this one.
    fn make_room(&mut self, at: usize, number: u64) -> Option<usize> {
        if self.words.len() < self.room || self.grow() {
            return Some(at);
        }
        let Some(at) = at.checked_sub(1) else {
            self.whole_from = number + 1;
            return None;
        };
        if let Some(oldest) = self.words.pop_front() {
            self.whole_from = oldest.number + 1;
        }
        Some(at)
    }

    fn grow(&mut self) -> bool {
        let more = self.room.max(FIRST_WORDS).min(MAX_WORDS - self.room);
        let grows = more > 0 && self.totals.grow(more * size_of::<Word>());
        if grows {
            self.room += more;
            self.words.reserve_exact(self.room - self.words.len());
        }
        grows
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::filter::Bounds;

    fn verdicts() -> Verdicts {
        Verdicts::new(totals(usize::MAX))
    }

    fn totals(bytes: usize) -> Arc<Totals> {
        Arc::new(Totals::new(Bounds {
            all: 1,
            of_channel: 1,
            bytes,
        }))
    }

    const NONE: Judged = Judged { after: 0, upto: 0 };

    proptest! {
        /// M48: counts are those of the entries one by one, and known only where each is: by itself, or among those that were
        /// judged together.
        #[test]
        fn counts_are_those_of_the_entries(
            noted in prop::collection::btree_map(1_u64..400, any::<bool>(), 0..300),
            after in 0_u64..420,
            len in 0_u64..420,
            (from, many) in (0_u64..420, 0_u64..420),
        ) {
            let mut verdicts = verdicts();
            // In an order that goes up and down.
            let (high, low): (Vec<_>, Vec<_>) = noted.iter().partition(|(offset, _)| **offset > 200);
            for (offset, passes) in high.into_iter().chain(low) {
                verdicts.set(*offset, *passes);
            }
            let together = Judged { after: from, upto: from + many };
            let to = after + len;
            let expected = |one: u64| noted.get(&one).copied().or_else(|| (from < one && one <= from + many).then_some(false));
            let all: Vec<Option<bool>> = (after + 1..=to).map(expected).collect();
            for (offset, expected) in (after + 1..=to).zip(&all) {
                prop_assert_eq!(*expected, verdicts.get(offset, together));
            }
            let unknown = all.iter().filter(|one| one.is_none()).count() as u64;
            prop_assert_eq!(unknown, verdicts.unknown(after, to, together));
            let not_judged = |one: &u64| expected(*one).is_none();
            let offsets: Vec<u64> = (after + 1..=to).filter(not_judged).collect();
            prop_assert_eq!(offsets, verdicts.unknown_of(after, to, together));
            let owed = all.iter().filter(|one| **one == Some(true)).count() as u64;
            prop_assert_eq!((unknown == 0).then_some(owed), verdicts.owed(after, to, together));
        }
    }

    /// Memory is bounded by what was noted, however far apart: the newest stay, and of what lies before them nothing is known.
    #[test]
    fn the_newest_stay() {
        let mut verdicts = verdicts();
        let words = MAX_WORDS as u64;
        for number in (1..=words).rev() {
            verdicts.set(1_000 * 64 * number, true);
        }
        let judged = Judged {
            after: 0,
            upto: u64::MAX / 2,
        };
        assert_eq!(Some(false), verdicts.get(64, judged));
        for number in words + 1..=words + 3 {
            verdicts.set(1_000 * 64 * number, true);
            assert!(verdicts.words.len() <= MAX_WORDS);
        }
        verdicts.set(64, true);
        let known = [
            64,
            64_000,
            3 * 64_000,
            3 * 64_000 + 64,
            4 * 64_000,
            (words + 3) * 64_000,
        ];
        let expected = [None, None, None, Some(false), Some(true), Some(true)];
        assert_eq!(expected, known.map(|offset| verdicts.get(offset, judged)));
    }

    /// `filter_memory`: verdicts take what filters leave of it, the oldest go, and it is all given back.
    #[test]
    fn verdicts_are_counted_and_bounded() {
        let totals = totals(100_000);
        let fill = |verdicts: &mut Verdicts| {
            for number in 1..10_000 {
                verdicts.set(64 * number, true);
                assert!(totals.bytes() <= 75_000, "{}", totals.bytes());
                assert!(verdicts.words.capacity() * 24 <= totals.bytes());
            }
        };
        let (mut one, mut other) = (
            Verdicts::new(Arc::clone(&totals)),
            Verdicts::new(Arc::clone(&totals)),
        );
        fill(&mut one);
        assert_eq!(2_048 * 24, totals.bytes());
        fill(&mut other);
        assert_eq!((2_048 + 1_024) * 24, totals.bytes());
        let known = |verdicts: &Verdicts| {
            let newest = verdicts.get(64 * 9_999, NONE);
            (newest, verdicts.owed(0, 64 * 9_999, NONE))
        };
        assert_eq!((Some(true), None), known(&one));
        assert_eq!((Some(true), None), known(&other));
        assert_eq!(Some(true), one.get(64 * (10_000 - 2_048), NONE));
        assert_eq!(None, one.get(64 * (9_999 - 2_048), NONE));
        assert!(one.enter(1));
        assert_eq!(1_024 * 24, totals.bytes());
        drop((one, other));
        assert_eq!(0, totals.bytes());
    }

    /// Where there is no room at all, nothing is known but what was judged together later on.
    #[test]
    fn without_room_nothing_is_known() {
        let mut verdicts = Verdicts::new(totals(0));
        verdicts.set(200, true);
        let judged = Judged {
            after: 0,
            upto: 1_000,
        };
        let known = [64, 200, 255, 256].map(|offset| verdicts.get(offset, judged));
        assert_eq!([None, None, None, Some(false)], known);
    }

    /// F12: what was judged in one history says nothing of another, though their offsets are the same numbers.
    #[test]
    fn another_history_is_judged_anew() {
        let mut verdicts = verdicts();
        assert!(verdicts.enter(3));
        verdicts.set(7, true);
        assert!(verdicts.enter(3));
        assert_eq!(Some(true), verdicts.get(7, NONE));
        assert!(!verdicts.enter(2), "it is over");
        assert!(verdicts.enter(4));
        assert_eq!(None, verdicts.get(7, NONE));
    }
}
