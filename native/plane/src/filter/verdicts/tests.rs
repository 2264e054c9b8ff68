#![allow(clippy::unwrap_used)]

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

fn words_of(verdicts: &Verdicts) -> &VecDeque<Word> {
    &verdicts.noted.as_ref().unwrap().words
}

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
        assert!(words_of(&verdicts).len() <= MAX_WORDS);
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
            assert!(words_of(verdicts).capacity() * 24 <= totals.bytes());
        }
    };
    let (mut one, mut other) = (
        Verdicts::new(Arc::clone(&totals)),
        Verdicts::new(Arc::clone(&totals)),
    );
    fill(&mut one);
    assert_eq!(Noted::bytes(2_048), totals.bytes());
    fill(&mut other);
    assert_eq!(Noted::bytes(2_048) + Noted::bytes(1_024), totals.bytes());
    let known = |verdicts: &Verdicts| {
        let newest = verdicts.get(64 * 9_999, NONE);
        (newest, verdicts.owed(0, 64 * 9_999, NONE))
    };
    assert_eq!((Some(true), None), known(&one));
    assert_eq!((Some(true), None), known(&other));
    assert_eq!(Some(true), one.get(64 * (10_000 - 2_048), NONE));
    assert_eq!(None, one.get(64 * (9_999 - 2_048), NONE));
    assert!(one.enter(1));
    assert_eq!(Noted::bytes(1_024), totals.bytes());
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
