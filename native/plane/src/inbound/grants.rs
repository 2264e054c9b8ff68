//! What an I/O thread may do by itself for a connection: take its plain publishes to a channel, as Python would have taken them.
//!
//! Python has looked up the right, the limits and the buckets once. A grant is used only while Python has handled everything else
//! that the connection has said, so that nothing overtakes anything (C14); and it is taken back before anybody is told of a change
//! of what it rests on. Who says so much at once that Python is never done with it stays with Python until there is a pause.

use std::collections::HashMap;
use std::sync::Arc;

use crate::allowance::SharedBucket;
use crate::channel::{Channel, Held};
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
    /// Messages that Python has handled.
    pub handled: u64,
    /// Messages that were taken here.
    pub taken: u64,
}

impl Grants {
    /// One more, or another in its place. Those of logs that are closed make room.
    pub fn add(&mut self, grant: Grant) {
        if self.by_name.len() >= self.by_name.capacity() {
            self.by_name.retain(|_, grant| !grant.channel.is_closed());
        }
        self.by_name.insert(Arc::clone(&grant.channel.name), grant);
    }

    /// None of them holds any more. What has come so far is still counted.
    pub fn clear(&mut self) {
        self.by_name.clear();
    }

    /// Whether Python has handled all but the last of the `count` messages that have come.
    pub fn is_clear(&self, count: u64) -> bool {
        count == self.handled + self.taken + 1
    }

    /// The channel that `publish` to `channel` goes to by a grant, held open; none: Python decides.
    pub fn take(&mut self, channel: &str, publish: &Publish, len: usize, now: f64) -> Option<Held> {
        let held = self.by_name.get(channel)?.take(publish, len, now)?;
        self.taken += 1;
        Some(held)
    }
}
