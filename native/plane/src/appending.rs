//! How entries get into logs in memory, and who follows them hears of it: for Python and for the I/O threads alike.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::channel::Channel;
use crate::command::{Command, Port};
use crate::logs::Logs;

/// The logs, and the ways to the I/O threads once these run.
#[derive(Clone, Debug)]
pub struct Appending {
    /// All open logs.
    pub logs: Arc<Logs>,
    /// One way to each I/O thread.
    pub ports: Arc<OnceLock<Vec<Arc<Port>>>>,
}

impl Appending {
    /// Those I/O threads that follow have something to do when they are woken next.
    pub fn tell_followers(&self, channel: &Arc<Channel>) {
        for number in channel.to_tell() {
            self.tell(number, channel, Instant::now());
        }
    }

    /// The same of one I/O thread.
    pub fn tell(&self, thread: usize, channel: &Arc<Channel>, at: Instant) {
        if let Some(port) = self.port(thread) {
            port.push(Command::Appended(Arc::clone(channel), at));
        }
    }

    /// The way to an I/O thread.
    pub fn port(&self, thread: usize) -> Option<&Arc<Port>> {
        self.ports.get()?.get(thread)
    }
}
