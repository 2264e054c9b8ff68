//! What an I/O thread may do by itself for a connection: take its plain publishes to a channel, as Python would have taken them.
//!
//! Python has looked up the right, the limits and the buckets once. A grant is used only while Python has handled everything else
//! that the connection has said, so that nothing overtakes anything (C14); and it is taken back before anybody is told of a change
//! of what it rests on. Who says so much that Python is never done with it is made to pause for it, seldom and shortly.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::allowance::SharedBucket;
use crate::channel::{Channel, Held};
use crate::inbound::pause::Pause;
use crate::inbound::publish::Publish;

/// The publishes of one connection to one channel.
#[derive(Debug)]
pub struct Grant {
    /// The channel; its log is in memory.
    pub channel: Arc<Channel>,
    /// Bytes of the largest message.
    pub largest: usize,
    /// Trace contexts are passed on.
    pub takes_traces: bool,
    /// The bucket of the connection, or of the channel for it.
    pub own: Arc<SharedBucket>,
    /// The bucket of its subject.
    pub shared: Option<Arc<SharedBucket>>,
}

impl Grant {
    /// The channel, held open, if `publish`, a message of `len` bytes, is covered and paid for now.
    fn take(&self, publish: &Publish, len: usize, now: f64) -> Option<Held> {
        let is_covered =
            len <= self.largest && (self.takes_traces || publish.traceparent.is_none());
        let held = is_covered.then(|| self.channel.hold())??;
        self.own
            .take(self.shared.as_deref(), 1.0, now)
            .then_some(held)
    }
}

/// All grants of a connection.
#[derive(Debug, Default)]
pub struct Grants {
    by_name: HashMap<Arc<str>, Grant>,
    handled: u64,
    /// Messages that were taken here.
    taken: u64,
    pause: Pause,
}

impl Grants {
    /// One more, or another in its place. Those of logs that are closed make room.
    pub fn add(&mut self, grant: Grant) {
        if self.by_name.len() >= self.by_name.capacity() {
            self.by_name.retain(|_, grant| !grant.channel.is_closed());
        }
        self.by_name.insert(Arc::clone(&grant.channel.name), grant);
    }

    /// None of them holds any more, and nothing is waited for: whether something was. What has come so far is still counted.
    pub fn clear(&mut self) -> bool {
        self.by_name.clear();
        self.pause.end()
    }

    /// A message goes to Python.
    pub fn passed(&mut self, now: Instant) {
        if !self.by_name.is_empty() {
            self.pause.passed(now);
        }
    }

    /// Until when nothing is read, unless Python is done before.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.until(now)
    }

    /// Python has handled `handled` of the `count` messages that have come: whether that ends a pause.
    pub fn handled(&mut self, handled: u64, count: u64) -> bool {
        self.handled = handled;
        let is_done = count == self.handled + self.taken;
        is_done && self.pause.caught_up()
    }

    /// Whether Python has handled all but the last of the `count` messages that have come.
    pub fn is_clear(&self, count: u64) -> bool {
        count == self.handled + self.taken + 1
    }

    /// The channel that `publish` to `channel` goes to by a grant, held open; none: Python decides.
    pub fn take(&mut self, channel: &str, publish: &Publish, len: usize, now: f64) -> Option<Held> {
        let held = self.by_name.get(channel)?.take(publish, len, now)?;
        self.taken += 1;
        self.pause.taken();
        Some(held)
    }
}
