//! What was appended goes out to all who follow: the one loop that runs per subscriber.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use slab::Slab;

use crate::batch::{Batch, Event};
use crate::channel::Channel;
use crate::connection::Connection;
use crate::shard::Shard;
use crate::shard::gathering::Gathered;
use crate::view::{Follower, View};
use crate::watermark::FAR;

/// What one pass over the followers of a view came to.
#[derive(Debug, Default)]
struct Pass {
    delivered: u64,
    first_at: Option<Instant>,
    lowest: u64,
    /// Followers that were not written to the end.
    behind: Vec<usize>,
    lost: Vec<usize>,
    panicked: Vec<usize>,
}

impl Shard {
    /// Compose what a channel has new, and write it to everybody who follows.
    pub(super) fn fan_out(&mut self, number: usize, now: Instant) {
        let more = self.advance(number);
        self.write_out(number, more, now);
    }

    /// Write what a view has composed to everybody who follows it; with `more` to come.
    pub(super) fn write_out(&mut self, number: usize, more: bool, now: Instant) {
        let Some(view) = self.views.all.get_mut(number) else {
            return;
        };
        let appended_at = view.appended_at.take();
        if !std::mem::take(&mut view.has_news) && view.sieve.is_some() {
            return;
        }
        let mut followers = std::mem::take(&mut view.followers);
        let pass = self.pass(number, &mut followers, now);
        if let Some(view) = self.views.all.get_mut(number) {
            view.followers = followers;
            self.views.bytes -= view.bytes();
            view.release(pass.lowest);
            self.views.bytes += view.bytes();
            if let Some(at) = appended_at {
                observe(&view.channel, &pass, at);
            }
            if more {
                view.appended_at = Some(now);
                self.views.dirty.push(number);
            }
        }
        self.wake_waiting(number);
        self.attend(pass, now);
    }

    /// Those who follow are told where they stand, if so much was passed over.
    pub(super) fn passed_over(&mut self, number: usize) {
        let Some(view) = self.views.all.get_mut(number) else {
            return;
        };
        if view.head() - view.told < FAR {
            return;
        }
        view.told = view.head();
        let end = view.end();
        let at_end = view.followers.iter().filter(|one| one.position >= end);
        let slots: Vec<usize> = at_end.map(|follower| follower.slot).collect();
        for slot in slots {
            let connection = self.connections.get(slot);
            if connection.is_some_and(Connection::is_clear) {
                self.push_watermark(slot);
                self.enqueue(slot);
            }
        }
        self.wake_waiting(number);
    }

    /// Those that wait for something new on this view have their turn.
    pub(super) fn wake_waiting(&mut self, number: usize) {
        let woken = self.views.all.get_mut(number).map(|view| {
            view.left_waiting = 0;
            view.woken = view.head();
            std::mem::take(&mut view.waiting)
        });
        for slot in woken.unwrap_or_default() {
            self.wake(slot, number);
        }
    }

    /// A cursor that waited for something new on this view has its turn.
    fn wake(&mut self, slot: usize, number: usize) {
        let cursors = self
            .connections
            .get_mut(slot)
            .map(|connection| &mut connection.cursors);
        if let Some(cursor) =
            cursors.and_then(|cursors| cursors.iter_mut().find(|cursor| cursor.view == number))
        {
            cursor.waiting = false;
        }
        self.enqueue(slot);
    }

    fn pass(&mut self, number: usize, followers: &mut [Follower], now: Instant) -> Pass {
        let mut pass = Pass::default();
        let Some(view) = self.views.all.get(number) else {
            return pass;
        };
        pass.lowest = view.end();
        let budget = self.shared.settings.turn_write;
        let mut gathered = Gathered::default();
        if self.ring.is_some() && followers.len() >= self.shared.settings.ring_from {
            let ring = &mut self.ring;
            gathered = Gathered::send(ring, followers, view, &self.connections, budget);
            self.shared.figures.ring_sends.add(gathered.len() as u64);
        }
        let mut at = 0;
        while at < followers.len() {
            let (connections, batch) = (&mut self.connections, &mut self.batch);
            let written = catch_unwind(AssertUnwindSafe(|| {
                while let Some(follower) = followers.get_mut(at) {
                    let sent = gathered.take(at);
                    write_to(
                        follower,
                        view,
                        connections,
                        batch,
                        &mut pass,
                        (budget, sent),
                        now,
                    );
                    at += 1;
                }
            }));
            if written.is_err()
                && let Some(follower) = followers.get(at)
            {
                pass.panicked.push(follower.slot);
                at += 1;
            }
        }
        pass
    }

    fn attend(&mut self, pass: Pass, now: Instant) {
        self.shared.figures.deliveries.add(pass.delivered);
        for slot in pass.behind {
            self.enqueue(slot);
        }
        for slot in pass.lost {
            self.lose(slot);
        }
        for slot in pass.panicked {
            self.panicked(slot, now);
        }
    }
}

fn write_to(
    follower: &mut Follower,
    view: &View,
    connections: &mut Slab<Connection>,
    batch: &mut Batch,
    pass: &mut Pass,
    (mut budget, sent): (usize, Option<(usize, io::Result<usize>)>),
    now: Instant,
) {
    let Some(segment) = view.segment_at(follower.position) else {
        return;
    };
    let Some(connection) = connections.get_mut(follower.slot) else {
        return;
    };
    if connection.is_clear() {
        let (out, transport, from) = (
            &mut connection.out,
            &mut connection.transport,
            follower.position,
        );
        let reached = match sent {
            Some((asked, taken)) => out.sent(segment, from, asked, taken, now),
            None => out.follow(transport, segment, from, &mut budget, now),
        };
        match reached {
            Ok(position) => {
                pass.delivered += segment.messages_between(follower.position, position) as u64;
                follower.position = position;
                pass.first_at.get_or_insert_with(Instant::now);
            }
            Err(_) => pass.lost.push(follower.slot),
        }
        if connection.out.take_tell() {
            batch.push(connection.id, Event::Output);
        }
    }
    if follower.position < view.end() {
        pass.lowest = pass.lowest.min(follower.position);
        if !connection.out.is_blocked() {
            pass.behind.push(follower.slot);
        }
    }
}

fn observe(channel: &Channel, pass: &Pass, appended_at: Instant) {
    let figures = channel.figures();
    figures.deliveries.add(pass.delivered);
    if let Some(first_at) = pass.first_at {
        figures
            .first_write
            .observe(first_at.saturating_duration_since(appended_at));
        figures.last_write.observe(appended_at.elapsed());
    }
}
