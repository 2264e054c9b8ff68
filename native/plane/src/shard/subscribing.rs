//! Subscriptions: start positions, the answer, and the cursors in one step, so that the answer comes before the first event
//! (M9) and the switch happens at the position it tells (M26).

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use crate::command::{Spec, Subscribe};
use crate::connection::Connection;
use crate::cursor::{Cursor, Delivery, Pace, Way};
use crate::entry::Encoding;
use crate::epoch::Epoch;
use crate::feed::Feed;
use crate::form::{Form, Writer};
use crate::json::{escape, msgpack};
use crate::round::Round;
use crate::shard::Shard;
use crate::shard::placing::{Placed, cap_replay};
use crate::start::Opening;
use crate::story::Kind;
use crate::window::Window;

impl Shard {
    /// Put cursors on channels and answer.
    pub(super) fn subscribe(&mut self, command: Subscribe, now: Instant) {
        let Some(slot) = self.open_slot(command.conn) else {
            return;
        };
        let Some(form) = self.connections.get(slot).map(|connection| connection.form) else {
            return;
        };
        let is_silent = command.reply.is_none();
        let wanted = command.specs.into_iter().filter(|spec| {
            let follows = |connection: &Connection| connection.cursor_on(spec.channel.id).is_some();
            !is_silent || self.connections.get(slot).is_some_and(follows)
        });
        let wanted: Vec<Spec> = wanted.collect();
        // Counted as following before the log is looked at; the cursor takes this over below.
        let joined: Vec<(Spec, usize)> = wanted
            .into_iter()
            .map(|spec| {
                let view = self.join_view(&spec.channel, form, spec.sieve.as_ref());
                (spec, view)
            })
            .collect();
        let (specs, views): (Vec<Spec>, Vec<usize>) = joined.into_iter().unzip();
        let mut placed: Vec<Placed> = specs
            .into_iter()
            .map(|spec| self.place(slot, spec))
            .collect();
        let cap = self.settings().resume_events;
        cap_replay(&mut placed, cap, &mut self.reading.scratch);
        if let Some(reply) = &command.reply {
            self.answer(slot, reply, &placed, form.encoding);
        }
        for (one, view) in placed.into_iter().zip(views) {
            self.install(slot, one, (view, form), is_silent, now);
        }
        self.enqueue(slot);
    }

    fn answer(&mut self, slot: usize, reply: &[Box<[u8]>], placed: &[Placed], encoding: Encoding) {
        let mut message = Vec::new();
        let mut parts = reply.iter();
        message.extend_from_slice(parts.next().map_or(&[][..], |part| part));
        for (one, part) in placed.iter().zip(parts) {
            write_members(
                &mut message,
                &one.position.to_string(),
                one.behind,
                encoding,
            );
            message.extend_from_slice(part);
        }
        self.queue_answer(slot, &message);
    }

    pub(super) fn queue_answer(&mut self, slot: usize, message: &[u8]) {
        self.shared.figures.answers.add(1);
        self.queue_message(slot, message);
    }

    /// One message behind the answers that wait already.
    pub(super) fn queue_message(&mut self, slot: usize, message: &[u8]) {
        if let Some(connection) = self.connections.get_mut(slot) {
            let mut writer = Writer::new(connection.form, &mut self.deflater);
            writer.write(connection.out.answers(), message);
        }
    }

    fn install(
        &mut self,
        slot: usize,
        placed: Placed,
        (view, form): (usize, Form),
        is_silent: bool,
        now: Instant,
    ) {
        let Placed {
            spec,
            epoch,
            turn,
            position,
            opening,
            behind,
            ..
        } = placed;
        let held = self
            .connections
            .get(slot)
            .and_then(|connection| connection.cursor_on(spec.channel.id));
        let pace = spec.options.max_rate.map(|rate| Pace::new(rate, now));
        let mut cursor = Cursor {
            view,
            sieve: spec.sieve.as_ref().map(Arc::clone),
            options: spec.options,
            way: Way::Feed(Box::new(Feed::new(0))),
            pace,
            waiting: false,
            told: position,
            untold_since: None,
            window: None,
            epoch,
            turn,
            channel: Arc::clone(&spec.channel),
        };
        let opened_with = opening.as_ref().and_then(|opening| opening.gap.clone());
        match (opening, held) {
            (Some(opening), _) => {
                let mut writer = Writer::new(form, &mut self.deflater);
                cursor.way = begin(&opening, &spec, &cursor.epoch, &mut writer);
            }
            (None, Some(at)) => self.take_over(slot, at, &mut cursor, is_silent),
            (None, None) => return,
        }
        if let Some(size) = cursor.options.ack {
            let window = cursor
                .window
                .get_or_insert_with(|| Box::new(Window::new(size, cursor.told.clone())));
            window.resize(size);
        }
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        let story = &connection.figures.story;
        story.subscribed(now, &cursor, behind);
        if let Some(gap) = opened_with {
            story.gap(now, &spec.channel.name, &gap, &cursor.epoch);
        }
        let replaced = held.and_then(|at| connection.cursors.get_mut(at));
        if let Some(place) = replaced {
            let former = std::mem::replace(place, cursor);
            self.release_cursor(&former);
        } else {
            // Most have one or two subscriptions: room for four would stay behind as a hole of the allocator's.
            connection.cursors.reserve_exact(1);
            connection.cursors.push(cursor);
        }
    }

    /// Take cursors away, then answer.
    pub(super) fn unsubscribe(&mut self, conn: u64, channels: &[u64], reply: Option<&[u8]>) {
        let Some(slot) = self.open_slot(conn) else {
            return;
        };
        for channel in channels {
            self.drop_cursor(slot, *channel);
        }
        if let Some(reply) = reply {
            self.queue_answer(slot, reply);
        }
        self.enqueue(slot);
    }

    fn drop_cursor(&mut self, slot: usize, channel: u64) {
        let cursor = self.connections.get_mut(slot).and_then(|connection| {
            let at = connection.cursor_on(channel)?;
            Some(connection.cursors.swap_remove(at))
        });
        if let Some(cursor) = cursor {
            if let Some(connection) = self.connections.get(slot) {
                let story = &connection.figures.story;
                story.tell(Instant::now(), Kind::Unsubscribed, &cursor.channel.name);
            }
            self.release_cursor(&cursor);
        }
    }

    /// A channel is gone, and with it all cursors on it.
    pub(super) fn forget(&mut self, channel: u64) {
        if self.views.of(channel).next().is_none() {
            return;
        }
        let slots: Vec<usize> = self.connections.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.drop_cursor(slot, channel);
        }
    }

    /// The slot of a connection that is not about to end; a command for any other is too late, and counted.
    pub(super) fn open_slot(&self, conn: u64) -> Option<usize> {
        let slot = self.slots.get(&conn).copied();
        let open = slot.filter(|slot| {
            let connection = self.connections.get(*slot);
            connection.is_some_and(|connection| connection.closing.is_none())
        });
        if open.is_none() {
            self.shared.figures.late.add(1);
        }
        open
    }
}

/// How a new cursor begins: its gap first, then what comes after.
fn begin(opening: &Opening, spec: &Spec, epoch: &Epoch, writer: &mut Writer<'_>) -> Way {
    let mut feed = Feed::new(opening.after);
    if let Some(gap) = &opening.gap {
        spec.channel.figures().count_gap(gap);
        let message = gap.message(&spec.channel.name, epoch, writer.form.encoding);
        feed.staging.push_gap(gap, &message, writer);
    }
    match spec.options.delivery {
        Delivery::All => Way::Feed(Box::new(feed)),
        // S3: nothing is conflated where nothing is replayed.
        Delivery::Latest if spec.options.max_rate.is_none() && opening.after == spec.head => {
            Way::Feed(Box::new(feed))
        }
        Delivery::Latest if opening.snapshot => {
            Way::Round(Box::new(Round::continuing(feed).with_snapshot()))
        }
        Delivery::Latest => Way::Round(Box::new(Round::continuing(feed))),
    }
}

/// `position` and `behind` as members of a map that is being written.
fn write_members(out: &mut Vec<u8>, position: &str, behind: u64, encoding: Encoding) {
    match encoding {
        Encoding::Json => {
            out.extend_from_slice(br#""position":"#);
            escape::write_str(out, position);
            // Writing to a Vec cannot fail.
            let _ = write!(out, r#","behind":{behind}"#);
        }
        Encoding::Msgpack => {
            msgpack::write_str(out, "position");
            msgpack::write_str(out, position);
            msgpack::write_str(out, "behind");
            msgpack::write_uint(out, behind);
        }
    }
}
