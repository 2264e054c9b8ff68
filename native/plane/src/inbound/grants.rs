//! What an I/O thread may do by itself for a connection: take its plain publishes to a channel, as Python would have taken them.
//!
//! Python has looked up the right, the limits and the buckets once. A grant is used only while Python has handled everything else
//! that the connection has said, so that nothing overtakes anything (C14); and it is taken back before anything changes that it
//! rests on.

use std::collections::HashMap;
use std::sync::Arc;

use crate::allowance::SharedBucket;
use crate::channel::Channel;
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
    /// Whether `publish`, a message of `len` bytes, is covered, and paid for now.
    fn takes(&self, publish: &Publish, len: usize, now: f64) -> bool {
        len <= self.largest
            && (self.takes_traces || publish.traceparent.is_none())
            && !self.channel.is_closed()
            && self.own.take(self.shared.as_deref(), 1.0, now)
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
    /// One more, or another in its place.
    pub fn add(&mut self, grant: Grant) {
        self.by_name.insert(Arc::clone(&grant.channel.name), grant);
    }

    /// None of them holds any more. What has come so far is still counted.
    pub fn clear(&mut self) {
        self.by_name.clear();
    }

    /// `count` publishes that were taken to `channel` go to Python after all, which takes the pay for them.
    pub fn give_back(&mut self, channel: &str, count: usize, now: f64) {
        self.taken -= count as u64;
        if let Some(grant) = self.by_name.remove(channel) {
            let paid = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            for bucket in [Some(&grant.own), grant.shared.as_ref()]
                .into_iter()
                .flatten()
            {
                bucket.pay(-paid, now);
            }
        }
    }

    /// Whether Python has handled all but the last of the `count` messages that have come.
    pub fn is_clear(&self, count: u64) -> bool {
        count == self.handled + self.taken + 1
    }

    /// The channel that takes `publish` to `channel` by a grant; none: Python decides.
    pub fn channel_of(
        &mut self,
        channel: &str,
        publish: &Publish,
        len: usize,
        now: f64,
    ) -> Option<Arc<Channel>> {
        let grant = self.by_name.get(channel)?;
        let takes = grant.takes(publish, len, now);
        self.taken += u64::from(takes);
        takes.then(|| Arc::clone(&grant.channel))
    }
}
