//! Turns of writing: the message begun, answers, and then the cursors one after the other.

use std::io;
use std::time::Instant;

use crate::connection::KeptWaiting;
use crate::cursor::Way;
use crate::feed::{Feed, Refill};
use crate::form::Writer;
use crate::outbound::Progress;
use crate::shard::Shard;
use crate::window::Window;

/// Entries that one refill of a round stages at most.
const STAGED: usize = 4_096;

/// What a cursor did with its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It wrote, or changed its way: ask again.
    Went,
    /// It has nothing to write.
    Nothing,
    /// It has more work than should be done now.
    Later,
}

impl Shard {
    pub(super) fn write_turn(&mut self, slot: usize, now: Instant) -> Progress {
        let mut budget = self.settings().turn_write;
        let Ok(progress) = self.write_all(slot, &mut budget, now) else {
            self.lose(slot);
            return Progress::Done;
        };
        let Some(connection) = self.connections.get(slot) else {
            return progress;
        };
        let relieved = connection.kept_waiting == KeptWaiting::ForItself
            && connection.out.unread_answers() <= self.settings().answer_buffer;
        if progress == Progress::Done && connection.closing.is_some() {
            self.close_written(slot);
        } else if relieved {
            self.enqueue(slot);
        }
        progress
    }

    fn write_all(&mut self, slot: usize, budget: &mut usize, now: Instant) -> io::Result<Progress> {
        let mut idle = 0;
        loop {
            let Some(connection) = self.connections.get_mut(slot) else {
                return Ok(Progress::Done);
            };
            match connection
                .out
                .settle(&mut connection.transport, budget, now)?
            {
                Progress::Done => {}
                other => return Ok(other),
            }
            if connection.closing.is_some() || idle >= connection.cursors.len() {
                return Ok(Progress::Done);
            }
            if connection.out.is_blocked() {
                return Ok(Progress::Blocked);
            }
            if *budget == 0 {
                return Ok(Progress::Spent);
            }
            let at = connection.next_cursor % connection.cursors.len();
            connection.next_cursor = at + 1;
            match self.write_cursor(slot, at, budget, now)? {
                Step::Went => idle = 0,
                Step::Nothing => idle += 1,
                Step::Later => return Ok(Progress::Spent),
            }
        }
    }

    fn write_cursor(
        &mut self,
        slot: usize,
        at: usize,
        budget: &mut usize,
        now: Instant,
    ) -> io::Result<Step> {
        let cursor = self
            .connections
            .get(slot)
            .and_then(|connection| connection.cursors.get(at));
        let step = match cursor.map(|cursor| &cursor.way) {
            Some(Way::Follow(seat)) => self.write_follower(slot, at, *seat, budget, now)?,
            Some(Way::Feed(_)) => self.write_feed(slot, at, budget, now)?,
            Some(Way::Round(_)) => self.write_round(slot, at, budget, now)?,
            None => Step::Nothing,
        };
        if step == Step::Nothing && self.is_far(slot, at, now) {
            self.push_watermark(slot);
            return Ok(Step::Went);
        }
        Ok(step)
    }

    fn write_follower(
        &mut self,
        slot: usize,
        at: usize,
        seat: usize,
        budget: &mut usize,
        now: Instant,
    ) -> io::Result<Step> {
        let Some(connection) = self.connections.get_mut(slot) else {
            return Ok(Step::Nothing);
        };
        let view = connection
            .cursors
            .get(at)
            .and_then(|cursor| self.views.all.get_mut(cursor.view));
        let Some(view) = view else {
            return Ok(Step::Nothing);
        };
        let Some(position) = view.followers.get(seat).map(|follower| follower.position) else {
            return Ok(Step::Nothing);
        };
        let Some(segment) = view.segment_at(position) else {
            return Ok(Step::Nothing);
        };
        let next =
            connection
                .out
                .follow(&mut connection.transport, segment, position, budget, now)?;
        let delivered = segment.messages_between(position, next) as u64;
        if let Some(follower) = view.followers.get_mut(seat) {
            follower.position = next;
        }
        view.channel.figures().deliveries.add(delivered);
        self.shared.figures.deliveries.add(delivered);
        Ok(Step::Went)
    }

    fn write_feed(
        &mut self,
        slot: usize,
        at: usize,
        budget: &mut usize,
        now: Instant,
    ) -> io::Result<Step> {
        let Some(connection) = self.connections.get_mut(slot) else {
            return Ok(Step::Nothing);
        };
        let form = connection.form;
        let Some(cursor) = connection.cursors.get_mut(at) else {
            return Ok(Step::Nothing);
        };
        let (Way::Feed(feed), Some(view)) = (&mut cursor.way, self.views.all.get_mut(cursor.view))
        else {
            return Ok(Step::Nothing);
        };
        if !feed.staging.is_drained() {
            let sent = feed.staging.at();
            let delivered =
                connection
                    .out
                    .replay(&mut connection.transport, &mut feed.staging, budget, now)?
                    as u64;
            cursor.sent_since(sent);
            cursor.channel.figures().deliveries.add(delivered);
            self.shared.figures.deliveries.add(delivered);
            return Ok(Step::Went);
        }
        if view.turn != cursor.turn {
            return Ok(self.cross(slot, at));
        }
        // The segments know nothing of windows, nor of a client that does not know where it stands (P9).
        if cursor.window.is_none()
            && cursor.told.offset >= feed.after()
            && let Some(position) = view.position_after(feed.after())
        {
            self.follow(slot, at, position);
            return Ok(Step::Went);
        }
        let most = Window::left_of(cursor.window.as_deref());
        let log = (&*cursor.channel, cursor.turn);
        let found = if most == 0 {
            feed.look(log.0, log.1)
        } else {
            let sieve = cursor.sieve.as_deref();
            let mut writer = Writer::new(form, &mut self.deflater);
            feed.refill(
                sieve,
                log,
                (view.head(), most),
                &mut writer,
                &mut self.reading,
            )
        };
        Ok(match found {
            Refill::Ready => Step::Went,
            Refill::Unready => Step::Later,
            Refill::Overrun => self.overrun(slot, at, now),
            Refill::Turned => self.cross(slot, at),
            Refill::Reached if most == 0 => self.wait_for_ack(slot, at),
            // The log may be ahead of the view: an append that this thread will be told of.
            Refill::Reached => self.wait_for_view(slot, at),
        })
    }

    fn write_round(
        &mut self,
        slot: usize,
        at: usize,
        budget: &mut usize,
        now: Instant,
    ) -> io::Result<Step> {
        let Some(connection) = self.connections.get_mut(slot) else {
            return Ok(Step::Nothing);
        };
        let (id, form) = (connection.id, connection.form);
        let Some(cursor) = connection.cursors.get_mut(at) else {
            return Ok(Step::Nothing);
        };
        let (Way::Round(round), Some(view)) = (&mut cursor.way, self.views.all.get(cursor.view))
        else {
            return Ok(Step::Nothing);
        };
        if !round.staging.is_drained() {
            let sent = round.staging.at();
            let delivered =
                connection
                    .out
                    .replay(&mut connection.transport, &mut round.staging, budget, now)?
                    as u64;
            cursor.sent_since(sent);
            cursor.channel.figures().deliveries.add(delivered);
            self.shared.figures.deliveries.add(delivered);
            return Ok(Step::Went);
        }
        if view.turn != cursor.turn {
            return Ok(self.cross(slot, at));
        }
        if round.is_idle() && !round.again && cursor.pace.is_none() {
            cursor.way = Way::Feed(Box::new(Feed::new(round.after())));
            return Ok(Step::Went);
        }
        let log = (&*cursor.channel, cursor.turn);
        let left = Window::left_of(cursor.window.as_deref());
        let most = usize::try_from(left).unwrap_or(STAGED).min(STAGED);
        if most == 0 {
            return Ok(match round.look(log.0, log.1) {
                Refill::Overrun => self.overrun(slot, at, now),
                Refill::Turned => self.cross(slot, at),
                _ => self.wait_for_ack(slot, at),
            });
        }
        let allowed = cursor
            .pace
            .as_mut()
            .map_or(most, |pace| pace.allowed(most, now));
        if allowed == 0 {
            if let Some(at) = cursor.pace.as_mut().and_then(|pace| pace.wake(now)) {
                self.timers.set(at, slot, id);
            }
            return Ok(Step::Nothing);
        }
        let through = (cursor.sieve.as_deref(), &mut self.reading.scratch);
        let mut writer = Writer::new(form, &mut self.deflater);
        match round.refill(log, &mut writer, allowed, through) {
            Refill::Ready => {
                if let Some(pace) = &mut cursor.pace {
                    pace.sent(round.staging.messages(), now);
                }
                Ok(Step::Went)
            }
            Refill::Unready => Ok(Step::Later),
            Refill::Overrun => Ok(self.overrun(slot, at, now)),
            Refill::Turned => Ok(self.cross(slot, at)),
            Refill::Reached if cursor.pace.is_none() => {
                round.again = false;
                Ok(Step::Went)
            }
            Refill::Reached => Ok(self.wait_for_view(slot, at)),
        }
    }
}
