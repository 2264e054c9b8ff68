//! The next owed entry left the log before it could be written (S9).

use std::time::Instant;

use crate::closing::Verdict;
use crate::cursor::{Delivery, OnSlow, Way};
use crate::feed::Feed;
use crate::filter::Sifted;
use crate::form::Writer;
use crate::gap::{Gap, GapReason};
use crate::log::Log;
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
        let mut writer = Writer::new(connection.form, &mut self.deflater);
        let Some(cursor) = connection.cursors.get_mut(at) else {
            return Step::Nothing;
        };
        let (turned, keeps_keys) = {
            let log = cursor.channel.log();
            let keeps_keys = cursor.options.delivery == Delivery::Latest && log.newest().is_some();
            (log.turn() != cursor.turn, keeps_keys)
        };
        if turned {
            return self.cross(slot, at);
        }
        let from = match &mut cursor.way {
            // S13: there is more to be had than the ring.
            Way::Feed(feed) if keeps_keys => {
                let feed = std::mem::replace(&mut **feed, Feed::new(0));
                cursor.way = Way::Round(Box::new(Round::continuing(feed)));
                return Step::Went;
            }
            // P12: who has nothing of a history misses nothing of it in a snapshot.
            Way::Round(round) if keeps_keys && round.after() == 0 => {
                round.start_over();
                return Step::Went;
            }
            Way::Feed(feed) => feed.after(),
            Way::Round(round) => round.after(),
            Way::Follow(_) => return Step::Nothing,
        };
        let log = cursor.channel.log();
        if log.turn() != cursor.turn {
            return Step::Went;
        }
        let mut sifted = Sifted::new(&log, cursor.sieve.as_deref(), &mut self.reading.scratch);
        let gone = log.first() - 1;
        let is_owed = cursor.sieve.is_none() || sifted.owed(from, gone) != Some(0);
        // S9: what has left the log was not owed.
        match &mut cursor.way {
            Way::Feed(feed) if !is_owed && gone > from => {
                feed.skip_to(gone);
                return Step::Went;
            }
            Way::Round(round) if !is_owed && gone > from && !keeps_keys => {
                round.skip_to(gone);
                round.again = true;
                return Step::Went;
            }
            _ => {}
        }
        let position = cursor.epoch.position(from);
        let mut gap = if let Some(lost) = log.gap_after(position, cursor.turn, keeps_keys) {
            // It was never here: nobody is to blame for it.
            lost
        } else if cursor.options.on_slow == OnSlow::Close {
            drop(log);
            connection.figures.story.overrun(now, &cursor.channel.name);
            self.begin_close(slot, Verdict::overrun(), now);
            return Step::Nothing;
        } else if keeps_keys {
            back_to_the_beginning(&log, from)
        } else {
            let to = (log.first() - 1).max(log.head().saturating_sub(resume_events));
            Gap::within(log.epoch(), from, to, GapReason::Slow)
        };
        gap.count(&mut sifted);
        let message = gap.message(&cursor.channel.name, log.epoch(), writer.form.encoding);
        let story = &connection.figures.story;
        story.gap(now, &cursor.channel.name, &gap, log.epoch());
        drop(log);
        cursor.channel.figures().count_gap(&gap);
        match &mut cursor.way {
            Way::Feed(feed) => {
                feed.staging.push_gap(&gap, &message, &mut writer);
                feed.skip_to(gap.to);
            }
            Way::Round(round) => stage_gap(round, &gap, &message, &mut writer),
            Way::Follow(_) => {}
        }
        Step::Went
    }

    /// P12: the log has begun another history, or stands further on in this one: a gap to there, in the place of what is missing.
    pub(super) fn cross(&mut self, slot: usize, at: usize) -> Step {
        let Some(connection) = self.connections.get_mut(slot) else {
            return Step::Nothing;
        };
        let mut writer = Writer::new(connection.form, &mut self.deflater);
        let Some(cursor) = connection.cursors.get_mut(at) else {
            return Step::Nothing;
        };
        let Some(settled) = cursor.way.settled() else {
            return Step::Nothing;
        };
        let log = cursor.channel.log();
        if log.turn() == cursor.turn {
            drop(log);
            // It is the view that has not heard of it yet; it will, and wakes who waits.
            return self.wait_for_view(slot, at);
        }
        let keyed = cursor.options.delivery == Delivery::Latest && log.newest().is_some();
        let mut gap = log.gap_after(cursor.epoch.position(settled), cursor.turn, keyed);
        if let Some(gap) = &mut gap {
            let sieve = cursor.sieve.as_deref();
            gap.count(&mut Sifted::new(&log, sieve, &mut self.reading.scratch));
        }
        (cursor.epoch, cursor.turn) = (log.epoch().clone(), log.turn());
        drop(log);
        let Some(gap) = gap else {
            return Step::Went;
        };
        let message = gap.message(&cursor.channel.name, &cursor.epoch, writer.form.encoding);
        let story = &connection.figures.story;
        story.gap(Instant::now(), &cursor.channel.name, &gap, &cursor.epoch);
        cursor.channel.figures().count_gap(&gap);
        let staging = match &mut cursor.way {
            Way::Feed(feed) => {
                feed.begin_again(settled, gap.to);
                &mut feed.staging
            }
            Way::Round(round) => {
                round.begin_again(settled, gap.to);
                &mut round.staging
            }
            Way::Follow(_) => return Step::Nothing,
        };
        staging.push_gap(&gap, &message, &mut writer);
        Step::Went
    }
}

/// Where the newest entry of each key is kept but one that `from` is owed went without a successor (S6; `log_memory`):
/// everything that is kept comes again, as a snapshot does (P7), and what was missed cannot be counted.
fn back_to_the_beginning(log: &Log, from: u64) -> Gap {
    Gap {
        missed: None,
        ..Gap::within(log.epoch(), from, 0, GapReason::Slow)
    }
}

fn stage_gap(round: &mut Round, gap: &Gap, message: &[u8], writer: &mut Writer<'_>) {
    if gap.to < round.after() {
        round.start_over();
    } else {
        round.skip_to(gap.to);
    }
    round.again = true;
    round.staging.push_gap(gap, message, writer);
}
