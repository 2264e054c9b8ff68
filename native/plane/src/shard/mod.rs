//! Everything one I/O thread owns: connections, views, cursors, and what is to be done next. It reads and writes transports,
//! but it neither waits nor knows a clock: the thread drives it, and a test can.

mod closing;
mod command;
mod composing;
mod fan_out;
mod feeding;
mod flush;
mod gathering;
mod keeping;
mod lags;
mod overrun;
mod placing;
mod publishing;
mod reading;
mod scan;
mod sifting;
mod subscribing;
mod telling;
mod views;
mod waiting;
mod writing;

#[cfg(test)]
mod brief;
#[cfg(test)]
mod conflation;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod filtered_forms;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod granted;
#[cfg(test)]
mod model;
#[cfg(test)]
mod ops;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod rotations;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod slow_rounds;
#[cfg(test)]
mod starts;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod watermarks;
#[cfg(test)]
mod windows;
#[cfg(test)]
mod world;

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::Ring;
use slab::Slab;

use crate::allowance::Clock;
use crate::appending::Appending;
use crate::batch::{Batch, Event};
use crate::closing::Verdict;
use crate::command::Port;
use crate::connection::Connection;
use crate::deflate::{Deflater, Inflater};
use crate::directory::Directory;
use crate::feed::Reading;
use crate::figures::Figures;
use crate::inbound::Direct;
use crate::inbox::Inbox;
use crate::outbound::Progress;
use crate::settings::Settings;
use crate::timer::Timers;

pub use command::Registrar;
use flush::FlushClock;
use views::Views;

/// How long turns of connections may follow one another before commands and live events have theirs.
const PASS: Duration = Duration::from_millis(5);

/// What a shard shares with the rest of the plane.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Limits and sizes.
    pub settings: Arc<Settings>,
    /// Figures of the plane.
    pub figures: Arc<Figures>,
    /// The way to Python.
    pub inbox: Arc<Inbox>,
    /// Connections for other threads.
    pub directory: Arc<Directory>,
    /// The way into the logs.
    pub appending: Appending,
    /// Python's monotonic clock.
    pub clock: Clock,
}

/// The state of one I/O thread.
#[derive(Debug)]
pub struct Shard {
    thread: usize,
    shared: Shared,
    port: Arc<Port>,
    connections: Slab<Connection>,
    slots: HashMap<u64, usize>,
    views: Views,
    ready: VecDeque<usize>,
    starved: Vec<usize>,
    timers: Timers,
    flush: FlushClock,
    scans: scan::Scans,
    batch: Batch,
    direct: Direct,
    /// Other threads that have something to do by what this one has published.
    woken: Vec<usize>,
    /// The turn of a connection may have taken its time.
    has_published: bool,
    buffer: Vec<u8>,
    /// One of each for all connections (B2).
    deflater: Deflater,
    inflater: Inflater,
    reading: Reading,
    /// Connections whose positions are to be told at the end of the turn, if what waited for them is written.
    asked: Vec<u64>,
    stop_at: Option<Instant>,
    /// None where the kernel has no `io_uring` for us, or none is wanted.
    ring: Option<Ring>,
}

impl Shard {
    /// The shard of I/O thread number `thread`.
    pub fn new(thread: usize, shared: Shared, port: Arc<Port>, now: Instant) -> Self {
        Self {
            thread,
            port,
            connections: Slab::new(),
            slots: HashMap::new(),
            views: Views::default(),
            ready: VecDeque::new(),
            starved: Vec::new(),
            timers: Timers::default(),
            flush: FlushClock::new(now),
            scans: scan::Scans::new(now, shared.settings.scan_interval()),
            batch: Batch::default(),
            direct: Direct::default(),
            woken: Vec::new(),
            has_published: false,
            buffer: vec![0; shared.settings.turn_read.max(1)],
            deflater: Deflater::default(),
            inflater: Inflater::default(),
            reading: Reading::default(),
            asked: Vec::new(),
            stop_at: None,
            ring: gathering::open(&shared.settings),
            shared,
        }
    }

    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// A socket became readable or writable, or its stream has ended.
    pub fn socket_ready(&mut self, slot: usize, readable: bool, writable: bool, hung_up: bool) {
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        connection.readable |= readable || hung_up;
        connection.hung_up |= hung_up;
        if writable && connection.out.unblock() {
            self.unblocked(slot);
        }
        self.enqueue(slot);
    }

    /// Give a connection a turn, behind those that already wait for theirs.
    fn enqueue(&mut self, slot: usize) {
        if let Some(connection) = self.connections.get_mut(slot)
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.ready.push_back(slot);
        }
    }

    /// Turns of connections that wait for one, for a few milliseconds at most.
    pub fn run(&mut self, started: Instant) {
        let mut now = started;
        for turn in 1..=self.ready.len() {
            let Some(slot) = self.ready.pop_front() else {
                return;
            };
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.queued = false;
                self.guarded_turn(slot, now);
            }
            if turn % 8 == 0 || std::mem::take(&mut self.has_published) {
                now = Instant::now();
                if now.saturating_duration_since(started) > PASS {
                    return;
                }
            }
        }
    }

    /// pr1: a panic costs the connection in whose turn it happened, nobody else.
    fn guarded_turn(&mut self, slot: usize, now: Instant) {
        if catch_unwind(AssertUnwindSafe(|| self.turn(slot, now))).is_err() {
            self.panicked(slot, now);
        }
    }

    /// A turn of this connection panicked; if it was closed for that already, it cannot even say so.
    pub(super) fn panicked(&mut self, slot: usize, now: Instant) {
        self.shared.figures.panics.add(1);
        self.direct.clear();
        match self.connections.get(slot) {
            Some(connection) if connection.closing.is_none() => {
                self.begin_close(slot, Verdict::panic(), now);
            }
            _ => self.finish(slot),
        }
    }

    fn turn(&mut self, slot: usize, now: Instant) {
        let reading = self.read_turn(slot, now);
        let writing = self.write_turn(slot, now);
        let Some(connection) = self.connections.get_mut(slot) else {
            return;
        };
        if connection.out.take_tell() {
            self.batch.push(connection.id, Event::Output);
        }
        if !connection.questions.is_empty() {
            self.asked.push(connection.id);
        }
        if reading == Progress::Spent || writing == Progress::Spent {
            self.enqueue(slot);
        }
    }

    /// When there is something to do without anybody asking; `None` if there is something to do now.
    pub fn wakes_at(&self, now: Instant) -> Option<Instant> {
        if !self.ready.is_empty() {
            return None;
        }
        let flush = self.flush_at();
        let next = [
            Some(self.scans.next()),
            self.timers.next(),
            flush,
            self.stop_at,
        ]
        .into_iter()
        .flatten()
        .min();
        next.filter(|at| *at > now)
    }

    /// When the flush that was put off is due.
    pub fn flush_at(&self) -> Option<Instant> {
        self.views.has_unread().then(|| self.flush.due())
    }

    /// Deadlines that have come.
    pub fn tick(&mut self, now: Instant) {
        while let Some((slot, id)) = self.timers.due(now) {
            if self
                .connections
                .get(slot)
                .is_some_and(|connection| connection.id == id)
            {
                self.deadline(slot, now);
            }
        }
        if self.scans.next() <= now {
            self.scan(now);
        }
    }

    /// Hand everything that has happened to Python.
    pub fn report(&mut self) {
        let (messages, bytes, left) = self.deflater.take_counted();
        if messages > 0 {
            self.shared.figures.deflated.add(messages);
            self.shared.figures.deflate_bytes_in.add(bytes);
            self.shared.figures.deflate_bytes_out.add(left);
        }
        self.tell_positions();
        self.shared.inbox.hand_over(&mut self.batch);
    }

    /// The thread may end: it was asked to, and nothing is left or the time is over.
    pub fn is_over(&mut self, now: Instant) -> bool {
        match self.stop_at {
            Some(_) if self.connections.is_empty() => true,
            Some(at) if at <= now => {
                let left: Vec<usize> = self.connections.iter().map(|(slot, _)| slot).collect();
                for slot in left {
                    self.finish(slot);
                }
                true
            }
            _ => false,
        }
    }
}
