#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::filter::Bounds;

const SEATS: u32 = 5;

fn notes(bytes: usize) -> Notes {
    let mut notes = Notes::new(Arc::new(Totals::new(Bounds {
        all: 1,
        of_channel: 1,
        bytes,
    })));
    (0..SEATS).for_each(|seat| notes.seat(seat));
    notes
}

/// Which entries are known to pass, by words.
type Known = BTreeMap<u64, u64>;

#[derive(Clone, Debug)]
enum Step {
    Note(u32, u64),
    Take(u32),
    Seat(u32),
    History,
    /// So near the last turn there is.
    Turns(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => (0..SEATS, 0_u64..90).prop_map(|(seat, ahead)| Step::Note(seat, ahead)),
        3 => (0..SEATS).prop_map(Step::Take),
        1 => (0..SEATS).prop_map(Step::Seat),
        1 => Just(Step::History),
        1 => (1_u32..200).prop_map(Step::Turns),
    ];
    prop::collection::vec(step, 1..600)
}

proptest! {
    /// M48: what is taken over is what was noted of that filter in that history, and whatever is missing is known to be.
    #[test]
    fn what_is_noted_is_taken_over_once(steps in steps(), bytes in prop_oneof![Just(0), Just(4_000), Just(1 << 20)]) {
        let mut notes = notes(bytes);
        let mut model: Vec<Known> = vec![Known::new(); SEATS as usize];
        let (mut history, mut offset) = (0, 0);
        for step in steps {
            match step {
                Step::Note(seat, ahead) => {
                    offset += ahead;
                    notes.note(seat, offset);
                    let (word, bit) = place(offset);
                    *model[seat as usize].entry(word).or_default() |= bit;
                }
                Step::Take(seat) => {
                    prop_assert_eq!(Taken::default(), notes.take(seat, history + 1));
                    let taken = notes.take(seat, history);
                    let mut known = Known::new();
                    for (word, passes) in &taken.words {
                        *known.entry(*word).or_default() |= passes;
                    }
                    let expected = std::mem::take(&mut model[seat as usize]);
                    for (word, passes) in &known {
                        prop_assert_eq!(0, passes & !expected.get(word).copied().unwrap_or(0));
                    }
                    for (word, passes) in expected.range(taken.whole_from..) {
                        prop_assert_eq!(Some(passes), known.get(word));
                    }
                    prop_assert_eq!(Taken::default(), notes.take(seat, history));
                }
                Step::Seat(seat) => {
                    notes.seat(seat);
                    model[seat as usize].clear();
                }
                Step::History => {
                    (history, offset) = (history + 1, 0);
                    notes.enter(history);
                    model.iter_mut().for_each(Known::clear);
                }
                Step::Turns(left) => {
                    if notes.kept.is_empty() && notes.newest.iter().all(|one| one.turn == NONE) {
                        notes.first = u32::MAX - left;
                    }
                }
            }
        }
        let totals = Arc::clone(&notes.totals);
        prop_assert!(totals.bytes() <= bytes);
        prop_assert!(notes.kept.len() <= notes.room);
        drop(notes);
        prop_assert_eq!(0, totals.bytes());
    }
}

/// As long as there is room, nothing is lost, and a filter that entry after entry passes has one note for 64 of them.
#[test]
fn a_word_is_noted_once() {
    let mut notes = notes(1 << 20);
    for offset in 0..640 {
        notes.note(0, offset);
        notes.note(1, offset);
    }
    assert_eq!(20, notes.kept.len());
    let words: Vec<(u64, u64)> = (0..10).map(|word| (word, u64::MAX)).collect();
    let expected = Taken {
        words,
        whole_from: 0,
    };
    assert_eq!(expected, notes.take(1, 0));
}

/// When turns come to their end, what was noted before is known to be missing, and what comes is kept.
#[test]
fn turns_begin_anew() {
    let mut notes = notes(1 << 20);
    notes.first = u32::MAX - 2;
    for word in 0..4 {
        notes.note(0, word * 64);
    }
    notes.note(1, 4 * 64);
    let of_one = Taken {
        words: vec![(2, 1), (3, 1)],
        whole_from: 2,
    };
    let of_other = Taken {
        words: vec![(4, 1)],
        whole_from: 0,
    };
    assert_eq!((of_one, of_other), (notes.take(0, 0), notes.take(1, 0)));
}

#[test]
fn of_a_history_that_is_over_nothing_is_known() {
    let mut notes = notes(1 << 20);
    notes.note(1, 70);
    notes.enter(1);
    assert_eq!(u64::MAX, notes.take(1, 0).whole_from);
    assert_eq!(
        0,
        notes.take(1, 2).whole_from,
        "one that is not begun has no entries"
    );
}
