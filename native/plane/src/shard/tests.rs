#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use crate::log::Retention;
use crate::shard::ops::{Op, op};
use crate::shard::rig::KEPT;
use crate::shard::world::World;

fn play(ops: &[Op], retention: Retention, capacity: usize, latest: bool) {
    let mut world = World::new(retention, capacity);
    for op in ops {
        world.apply(op, latest);
    }
    world.finish();
}

/// A case is a whole history: a quarter of the usual number of them, which `PROPTEST_CASES` raises.
fn histories() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases / 4,
        ..usual
    }
}

proptest! {
    #![proptest_config(histories())]

    /// P3, M9, M26, R17, S2: whatever is appended, taken in whatever pieces, asked and given up, a subscriber of `all` receives
    /// exactly the entries after its start, in order; answers stand between messages.
    #[test]
    fn all_delivers_every_entry_once_and_in_order(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000) {
        play(&ops, KEPT, capacity, false);
    }

    /// S9, M48: the same where the log is short: what was overrun is covered by one gap, exactly.
    #[test]
    fn all_delivers_every_entry_or_a_gap(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000, max_entries in 1_usize..12) {
        play(&ops, Retention { max_entries, ..KEPT }, capacity, false);
    }

    /// S3, S4, S7: `latest` passes over nothing that has no newer entry of its key.
    #[test]
    fn latest_never_passes_over_the_newest(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000) {
        play(&ops, KEPT, capacity, true);
    }

    /// S13: on a channel that keeps the last entry per key, `latest` misses nothing however short the log is.
    #[test]
    fn latest_cannot_be_overrun_where_keys_are_kept(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000, max_entries in 1_usize..12) {
        play(&ops, Retention { max_entries, last_per_key: Some(100), ..KEPT }, capacity, true);
    }

    /// S9: `latest` on any other channel can, and says so.
    #[test]
    fn latest_on_a_short_log_is_told_of_what_it_missed(ops in prop::collection::vec(op(), 1..60), capacity in 1_usize..4_000, max_entries in 1_usize..12) {
        play(&ops, Retention { max_entries, ..KEPT }, capacity, true);
    }
}
