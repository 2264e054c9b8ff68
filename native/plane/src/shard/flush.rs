//! When appends are written.

use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::shard::Shard;

/// At once when there is little to do, together when there is much.
#[derive(Debug)]
pub(super) struct FlushClock {
    ended: Instant,
    window: Duration,
}

impl FlushClock {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ended: now,
            window: Duration::ZERO,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.ended + self.window
    }

    /// The next flush waits at most `longest`, and no longer than four times what this one took: then flushing costs at most
    /// a fifth of the thread, or what it must.
    fn flushed(&mut self, started: Instant, ended: Instant, longest: Duration) {
        self.window = longest.min(ended.saturating_duration_since(started) * 4);
        self.ended = ended;
    }
}

impl Shard {
    /// New entries of a channel wait to be written. Without a view, nobody reads the log who could say so.
    pub(super) fn appended(&mut self, channel: &Channel, at: Instant) {
        if !self.views.appended(channel.id, at) {
            channel.heard(self.thread);
        }
    }

    /// Write what was appended, if its time has come.
    pub fn flush(&mut self, now: Instant) {
        if !self.views.has_unread() || self.flush.due() > now {
            return;
        }
        for number in std::mem::take(&mut self.views.dirty) {
            self.fan_out(number, now);
        }
        for channel in std::mem::take(&mut self.views.unread) {
            self.sift(channel, now);
        }
        let longest = self.settings().flush;
        self.flush.flushed(now, Instant::now(), longest);
    }
}
