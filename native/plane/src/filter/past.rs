//! Judging what a log has kept before a subscription reads it, in steps that hold up nobody.

use std::sync::Arc;

use crate::channel::Channel;
use crate::entry::Entry;
use crate::filter::look::Scratch;
use crate::filter::sieve::Sieve;
use crate::log::Log;
use crate::start::Start;

/// Entries taken under one lock.
const STEP: u64 = 256;

/// The stretch that a start needs judged, and how many owed entries of it are enough, the newest.
fn needed(log: &Log, start: &Start) -> (u64, u64, u64) {
    let (kept, head) = (log.first() - 1, log.head());
    match start {
        Start::New | Start::Snapshot => (head, head, 0),
        Start::Last(count) => (kept, head, *count),
        Start::Since(ts) => (log.before_ts(*ts), head, u64::MAX),
        Start::At { epoch, offset } if epoch == log.epoch().as_str() => {
            ((*offset).clamp(kept, head), head, u64::MAX)
        }
        Start::At { .. } => (kept, head, u64::MAX),
    }
}

/// How many entries of the log a subscription through `sieve` may have to judge before it can begin; those that have to be
/// decoded count as more than one.
pub fn unjudged(channel: &Channel, sieve: &Sieve, start: &Start) -> u64 {
    let log = channel.log();
    let (after, head, _) = needed(&log, start);
    sieve.cost(&log, after, head)
}

/// Judge them, from the newest back. What is appended meanwhile is left.
pub fn judge_past(channel: &Channel, sieve: &Sieve, start: &Start) {
    let (mut scratch, mut entries) = (Scratch::default(), Vec::new());
    let (history, after, mut end, mut wanted) = {
        let log = channel.log();
        let (after, head, wanted) = needed(&log, start);
        (log.history(), after, head, wanted)
    };
    while end > after && wanted > 0 {
        entries.clear();
        let begin = end.saturating_sub(STEP).max(after);
        if !take(channel, history, begin, end, &mut entries) {
            return;
        }
        for entry in entries.iter().rev() {
            if wanted > 0 && sieve.passes(history, entry, &mut scratch) {
                wanted -= 1;
            }
        }
        end = begin;
    }
}

/// What is left of the entries after `after` up to `end`; false where the history is over.
fn take(
    channel: &Channel,
    history: u64,
    after: u64,
    end: u64,
    entries: &mut Vec<Arc<Entry>>,
) -> bool {
    let log = channel.log();
    let here = log.after(after).take_while(|entry| entry.offset() <= end);
    entries.extend(here.map(Arc::clone));
    log.history() == history
}
