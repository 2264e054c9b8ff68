//! Logs whose entries get their places elsewhere: a store that joins nodes (N3, N7, N8, N13).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::channel::Channel;
use crate::epoch::Position;
use crate::error::PlaneError;
use crate::logs::LogId;
use crate::packed::{self, Refused};
use crate::plane::Plane;

impl Plane {
    /// Stand at `position` with nothing kept, in a log whose entries get their places elsewhere, and let every cursor on it know.
    pub fn begin_log(&self, log: LogId, position: &Position) -> Result<(), PlaneError> {
        let channel = self.following(log)?;
        if self.logs.begin(&channel, position, wall_clock())? {
            self.tell_followers(&channel);
        }
        Ok(())
    }

    /// Append entries that have their places: what [`packed`] made of them; the offset of the last.
    pub fn apply_entries(
        &self,
        log: LogId,
        first: &Position,
        entries: &[u8],
    ) -> Result<u64, PlaneError> {
        let channel = self.following(log)?;
        let entries = packed::unpack(entries)?;
        let last = self.logs.apply(&channel, first, &entries, wall_clock())?;
        channel.figures().appended.add(entries.len() as u64);
        self.tell_followers(&channel);
        Ok(last)
    }

    /// Take up the newest entry of each key, each packed by itself, at or below the head.
    pub fn restore_newest(&self, log: LogId, newest: &[(u64, &[u8])]) -> Result<(), PlaneError> {
        let channel = self.following(log)?;
        let numbered = newest.iter().enumerate();
        let entries = numbered
            .map(|(number, (offset, bytes))| Ok((*offset, packed::unpack_one(bytes, number)?)))
            .collect::<Result<Vec<_>, Refused>>()?;
        if self.logs.restore_newest(&channel, &entries)? {
            self.tell_followers(&channel);
        }
        Ok(())
    }

    /// A log that gives no places itself.
    fn following(&self, log: LogId) -> Result<Arc<Channel>, PlaneError> {
        let channel = self.logs.find(log)?;
        if channel.durable.is_some() {
            return Err(PlaneError::Durable(channel.name.to_string()));
        }
        Ok(channel)
    }
}

/// Seconds since 1970.
fn wall_clock() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
