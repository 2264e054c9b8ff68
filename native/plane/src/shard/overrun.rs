//! The next owed entry left the log before it could be written (S9).

use std::time::Instant;

use crate::closing::Verdict;
use crate::cursor::{OnSlow, Way};
use crate::entry::Encoding;
use crate::gap::{Gap, GapReason};
use crate::round::Round;
use crate::shard::Shard;
use crate::shard::writing::Step;

impl Shard {
    /// A gap and on, or the end, as the subscriber asked.
    pub(super) fn overrun(&mut self, slot: usize, at: usize, now: Instant) -> Step {
        let resume_events = self.settings().resume_events;
        let Some(connection) = self.connections.get_mut(slot) else {
            return Step::Nothing;
        };
        let encoding = connection.encoding();
        let Some(cursor) = connection.cursors.get_mut(at) else {
            return Step::Nothing;
        };
        if cursor.options.on_slow == OnSlow::Close {
            self.begin_close(slot, Verdict::overrun(), now);
            return Step::Nothing;
        }
        let log = cursor.channel.log();
        let to = (log.first() - 1).max(log.head().saturating_sub(resume_events));
        let from = match &cursor.way {
            Way::Feed(feed) => feed.after(),
            Way::Round(round) => round.after(),
            Way::Follow(_) => return Step::Nothing,
        };
        let gap = Gap::within(log.epoch(), from, to, GapReason::Slow);
        let message = gap.message(&cursor.channel.name, log.epoch(), encoding);
        drop(log);
        cursor.channel.figures().count_gap(&gap);
        match &mut cursor.way {
            Way::Feed(feed) => {
                feed.staging.push_gap(&gap, encoding, &message);
                feed.skip_to(to);
            }
            Way::Round(round) => stage_gap(round, &gap, encoding, &message),
            Way::Follow(_) => {}
        }
        Step::Went
    }
}

fn stage_gap(round: &mut Round, gap: &Gap, encoding: Encoding, message: &[u8]) {
    round.skip_to(gap.to);
    round.again = true;
    round.staging.push_gap(gap, encoding, message);
}
