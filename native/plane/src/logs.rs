//! All open logs of the plane, and the memory they may take together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::channel::{Channel, Held};
use crate::durable::{Durable, DurableFigures, Root};
use crate::entry::NewEntry;
use crate::epoch::{Epoch, Position};
use crate::error::PlaneError;
use crate::figures::Count;
use crate::log::{Log, Misplaced, Retention};
use crate::members::Members;
use crate::packed::{self, Packed};

/// The number of a log.
pub type LogId = u64;

/// Open logs.
#[derive(Debug)]
pub struct Logs {
    table: RwLock<Table>,
    /// Held while a durable log is opened or closed: nobody may look into files that somebody writes or removes.
    files: Mutex<()>,
    next: AtomicU64,
    threads: usize,
    bytes: AtomicUsize,
    max_bytes: usize,
    /// Held by who makes logs smaller: one at a time is enough.
    shrinking: Mutex<()>,
    /// Entries that left a log before their time because all logs together were too large.
    pub overflowed: Count,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<LogId, Arc<Channel>>,
    by_name: HashMap<Arc<str>, LogId>,
}

impl Logs {
    /// No logs; `threads` may follow them, `max_bytes` is for all of them.
    pub fn new(threads: usize, max_bytes: usize) -> Self {
        Self {
            table: RwLock::default(),
            files: Mutex::default(),
            next: AtomicU64::new(1),
            threads,
            bytes: AtomicUsize::new(0),
            max_bytes,
            shrinking: Mutex::default(),
            overflowed: Count::default(),
        }
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, ()> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new log with a fresh random epoch.
    pub fn open(&self, name: &str, retention: Retention) -> Result<LogId, PlaneError> {
        let log = Log::new(name, Epoch::random()?, retention);
        self.add(name, log, None)
    }

    /// A log with what its files hold, and their epoch.
    pub fn open_durable(
        &self,
        name: &str,
        retention: Retention,
        root: &Root,
        figures: &DurableFigures,
    ) -> Result<LogId, PlaneError> {
        let _files = self.files();
        if self.table().by_name.contains_key(name) {
            return Err(PlaneError::ChannelOpen(name.into()));
        }
        let (durable, past) = Durable::open(root, name, retention, figures)?;
        let mut log = Log::new(name, past.epoch.clone(), retention);
        log.restore(past);
        let id = self.add(name, log, Some(durable))?;
        if self.bytes() > self.max_bytes {
            self.shrink();
        }
        Ok(id)
    }

    fn add(&self, name: &str, log: Log, durable: Option<Durable>) -> Result<LogId, PlaneError> {
        let mut table = self.table_mut();
        if table.by_name.contains_key(name) {
            return Err(PlaneError::ChannelOpen(name.into()));
        }
        self.bytes.fetch_add(log.bytes(), SeqCst);
        let id = self.next.fetch_add(1, SeqCst);
        let channel = Arc::new(Channel::new(id, name, log, durable, self.threads));
        table.by_name.insert(Arc::clone(&channel.name), id);
        table.by_id.insert(id, channel);
        Ok(id)
    }

    /// Forget a log, and its files with it. What is being appended to it by others comes before that.
    pub fn close(&self, id: LogId) -> Result<(), PlaneError> {
        let channel = self.find(id)?;
        let _files = channel.durable.is_some().then(|| self.files());
        while !channel.begin_close() {
            // An I/O thread is within one read of a socket.
            std::thread::yield_now();
        }
        self.remove(&channel)?;
        self.count_out(&channel, &channel.log());
        if let Some(durable) = &channel.durable {
            durable.history().erase()?;
        }
        Ok(())
    }

    /// The same of a log in memory, if nothing is in it and nothing is on its way to it: whether that was so.
    pub fn close_if_empty(&self, id: LogId) -> Result<bool, PlaneError> {
        let channel = self.find(id)?;
        let is_free = channel.begin_close();
        let mut log = channel.log();
        if !is_free || !log.is_empty() {
            channel.stay_open();
            return Ok(false);
        }
        self.count_out(&channel, &log);
        // A grant may know it for as long as its connection is there: what it keeps by keys is not kept for that.
        let epoch = log.epoch().clone();
        drop(log.rotate(epoch));
        drop(log);
        self.remove(&channel)?;
        Ok(true)
    }

    fn remove(&self, channel: &Channel) -> Result<(), PlaneError> {
        let mut table = self.table_mut();
        table
            .by_id
            .remove(&channel.id)
            .ok_or(PlaneError::UnknownLog(channel.id))?;
        table.by_name.remove(&channel.name);
        Ok(())
    }

    /// What is in it counts for nothing any more.
    fn count_out(&self, channel: &Channel, log: &Log) {
        channel.close();
        self.bytes.fetch_sub(log.bytes(), SeqCst);
    }

    /// An open log.
    pub fn find(&self, id: LogId) -> Result<Arc<Channel>, PlaneError> {
        self.table()
            .by_id
            .get(&id)
            .cloned()
            .ok_or(PlaneError::UnknownLog(id))
    }

    /// All open logs.
    pub fn all(&self) -> Vec<Arc<Channel>> {
        self.table().by_id.values().cloned().collect()
    }

    /// Number of open logs.
    pub fn len(&self) -> usize {
        self.table().by_id.len()
    }

    /// No log is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all logs.
    pub fn bytes(&self) -> usize {
        self.bytes.load(SeqCst)
    }

    /// Append, and keep the bound on all logs together: the oldest entries of the largest go.
    pub fn append(&self, channel: &Channel, entries: Vec<NewEntry>, ts: f64) -> (String, u64) {
        self.append_by(channel, ts, |log| log.append(entries, ts))
    }

    /// The same of entries that stand elsewhere.
    pub fn append_members<'a>(
        &self,
        channel: &Channel,
        entries: impl Iterator<Item = Members<'a>>,
        ts: f64,
    ) -> (String, u64) {
        self.append_by(channel, ts, |log| log.append_members(entries, ts))
    }

    /// The same to a log that is held open: the place of the first.
    pub fn append_held<'a>(
        &self,
        channel: &Held,
        entries: impl Iterator<Item = Members<'a>>,
        ts: f64,
    ) -> Position {
        let first = self.change(channel, |log| {
            let offset = log.append_members(entries, ts);
            log.trim_age(ts);
            log.epoch().position(offset)
        });
        if self.bytes() > self.max_bytes {
            self.shrink();
        }
        first
    }

    fn append_by(
        &self,
        channel: &Channel,
        ts: f64,
        append: impl FnOnce(&mut Log) -> u64,
    ) -> (String, u64) {
        let (epoch, first) = self.change(channel, |log| {
            let first = append(log);
            log.trim_age(ts);
            (log.epoch().as_str().to_owned(), first)
        });
        if self.bytes() > self.max_bytes {
            self.shrink();
        }
        (epoch, first)
    }

    /// Begin another history of a log.
    pub fn rotate(&self, channel: &Channel, epoch: Epoch) {
        drop(self.change(channel, |log| log.rotate(epoch)));
    }

    /// Stand at `position` with nothing kept; whether that is elsewhere.
    pub fn begin(
        &self,
        channel: &Channel,
        position: &Position,
        now: f64,
    ) -> Result<bool, Misplaced> {
        let former = self.change(channel, |log| log.begin(position, now))?;
        Ok(former.is_some())
    }

    /// Take entries that have their places, and keep the bound on all logs together; the offset of the last.
    pub fn apply(
        &self,
        channel: &Channel,
        first: &Position,
        entries: &[Packed<'_>],
        now: f64,
    ) -> Result<u64, Misplaced> {
        let composer = channel.log().composer().clone();
        let entries = packed::compose(&composer, (first.offset..).zip(entries));
        let last = self.change(channel, |log| log.apply(first, entries, now))?;
        if self.bytes() > self.max_bytes {
            self.shrink();
        }
        Ok(last)
    }

    /// Take up the newest entries of keys; whether there were some that were not known.
    pub fn restore_newest(
        &self,
        channel: &Channel,
        entries: &[(u64, Packed<'_>)],
    ) -> Result<bool, Misplaced> {
        let composer = channel.log().composer().clone();
        let placed = entries.iter().map(|(offset, packed)| (*offset, packed));
        let entries = packed::compose(&composer, placed);
        let is_news = self.change(channel, |log| log.restore_newest(&entries))?;
        if self.bytes() > self.max_bytes {
            self.shrink();
        }
        Ok(is_news)
    }

    /// Let go what is too old; `now` is the wall clock.
    pub fn sweep(&self, now: f64) {
        for channel in self.all() {
            self.change(&channel, |log| log.sweep(now));
        }
    }

    fn change<T>(&self, channel: &Channel, change: impl FnOnce(&mut Log) -> T) -> T {
        let mut log = channel.log();
        let before = log.bytes();
        let result = change(&mut log);
        let after = log.bytes();
        // The writer may hold on to a log that was closed meanwhile.
        if !channel.is_closed() {
            // Wraps around to a subtraction where the log became smaller.
            self.bytes.fetch_add(after.wrapping_sub(before), SeqCst);
        }
        result
    }

    /// The largest log gives, and only where it has nothing left but its newest entry the next one. A little more than
    /// needed goes, so that not every append has to look for it.
    fn shrink(&self) {
        let Ok(_alone) = self.shrinking.try_lock() else {
            return;
        };
        let target = self.max_bytes - self.max_bytes / 64;
        let mut channels: Vec<(usize, Arc<Channel>)> = self
            .all()
            .into_iter()
            .map(|channel| {
                let bytes = channel.log().bytes();
                (bytes, channel)
            })
            .collect();
        channels.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (_, channel) in channels {
            let excess = self.bytes().saturating_sub(target);
            if excess == 0 {
                return;
            }
            let gone = self.change(&channel, |log| {
                log.trim_to(log.bytes().saturating_sub(excess))
            });
            self.overflowed.add(gone as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn keyed(key: &str, size: usize) -> NewEntry {
        NewEntry {
            event: "e".into(),
            key: Some(key.into()),
            data: format!("\"{}\"", "x".repeat(size)).as_bytes().into(),
            ..NewEntry::default()
        }
    }

    fn retention(last_per_key: Option<usize>) -> Retention {
        Retention {
            seconds: 1e9,
            max_bytes: 1 << 20,
            max_entries: 1_000,
            last_per_key,
        }
    }

    /// `log_memory`: what the largest log keeps, per key as well, pays for what is too much; all others keep theirs.
    #[test]
    fn the_largest_log_gives_and_the_others_keep_theirs() {
        let logs = Logs::new(1, 1 << 20);
        let open = |name: &str, keys| {
            logs.find(logs.open(name, retention(keys)).unwrap())
                .unwrap()
        };
        let (small, large) = (open("small", None), open("large", Some(1_000)));
        logs.append(&small, vec![keyed("k", 100); 500], 1.0);
        // Nothing of it but what is kept per key is young enough to stay.
        for number in 0..100 {
            let key = format!("k{number}");
            logs.append(&large, vec![keyed(&key, 20_000)], f64::from(number) * 1e9);
        }
        assert_eq!(500, small.log().len());
        assert!(logs.bytes() <= 1 << 20, "{}", logs.bytes());
        assert_eq!(small.log().bytes() + large.log().bytes(), logs.bytes());
        assert!(large.log().newest().unwrap().keys() > 10);
        assert!(logs.overflowed.get() > 50);
    }

    /// A log that was closed while somebody still appends to it counts for nothing, whatever is done to it.
    #[test]
    fn a_closed_log_is_not_counted() {
        let logs = Logs::new(1, 1 << 20);
        let id = logs.open("room", retention(None)).unwrap();
        let channel = logs.find(id).unwrap();
        logs.append(&channel, vec![keyed("k", 100)], 1.0);
        logs.close(id).unwrap();
        assert_eq!(0, logs.bytes());
        logs.append(&channel, vec![keyed("k", 100)], 1.0);
        assert_eq!(0, logs.bytes());
        logs.rotate(&channel, Epoch::named("next"));
        assert_eq!(0, logs.bytes());
    }
}
