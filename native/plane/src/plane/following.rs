//! Logs, what is appended to them, and who follows them.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::channel::Channel;
use crate::command::{Command, Spec, Subscribe};
use crate::cursor::{Delivery, Options};
use crate::durable::{Durable, DurableFigures};
use crate::entry::NewEntry;
use crate::epoch::Epoch;
use crate::error::PlaneError;
use crate::filter::{Filter, Sieve, Totals};
use crate::log::Retention;
use crate::logs::{LogId, Logs};
use crate::plane::{ConnId, Plane, Store};
use crate::start::Start;
use crate::window::MAX_WINDOW;

/// Where a batch of entries went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Name of the history.
    pub epoch: String,
    /// Offset of the first entry; the others follow.
    pub first_offset: u64,
}

/// One channel of a `subscribe`, by the number of its log.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The log.
    pub log: LogId,
    /// How it is delivered.
    pub options: Options,
    /// What it lets through, of [`Plane::sift`]; none: everything.
    pub sieve: Option<Arc<Sieve>>,
    /// Where it starts.
    pub start: Start,
    /// A cursor that exists stays where it is (M26).
    pub keep: bool,
}

impl Plane {
    /// The logs.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Open a log with a fresh epoch.
    pub fn open_log(&self, channel: &str, retention: Retention) -> Result<LogId, PlaneError> {
        self.logs.open(channel, retention)
    }

    /// Open the log of a channel that is kept in the data directory: its epoch and entries are those of before.
    pub fn open_durable_log(
        &self,
        channel: &str,
        retention: Retention,
    ) -> Result<LogId, PlaneError> {
        let store = self.store()?;
        let _open = store.writer.enter()?;
        if self.stopped.load(SeqCst) {
            return Err(PlaneError::Stopped);
        }
        self.logs
            .open_durable(channel, retention, &store.root, &store.writer.figures)
    }

    /// Channels that the data directory holds something of; none where there is no such directory.
    pub fn durable_channels(&self) -> Result<Vec<String>, PlaneError> {
        let store = self.store.as_ref();
        Ok(store.map_or(Ok(Vec::new()), |store| store.root.channels())?)
    }

    /// Whether what the data directory holds of a channel can be read by this software, and is that channel's.
    pub fn check_durable_log(&self, channel: &str) -> Result<(), PlaneError> {
        self.store()?.root.check(channel)
    }

    /// What the data directory holds of a channel is over: it is not kept now, and may take entries. Its next durable log
    /// begins another epoch.
    pub fn leave_durable_log(&self, channel: &str) -> Result<(), PlaneError> {
        self.store()?.root.leave(channel)
    }

    /// What is counted of durable logs, with the entries and bytes that wait to be written; `None` without a data directory.
    pub fn durable_figures(&self) -> Option<(&DurableFigures, (usize, usize))> {
        let store = self.store.as_ref()?;
        Some((&store.writer.figures, store.writer.waiting()))
    }

    fn store(&self) -> Result<&Store, PlaneError> {
        let text = "a durable log: a plane with a data_dir was expected, this one has none";
        let missing = || PlaneError::Argument(text.into());
        self.store.as_ref().ok_or_else(missing)
    }

    /// Begin another history of a channel: on disk where it is durable, then in memory, which is `renew`'s to do before
    /// anybody appends again.
    pub(crate) fn rotate_store(
        &self,
        channel: &Channel,
        epoch: Epoch,
        renew: impl FnOnce(Epoch),
    ) -> Result<(), PlaneError> {
        if let Some(store) = &self.store {
            return store.writer.rotate(channel, epoch, self.inbox(), renew);
        }
        renew(epoch);
        Ok(())
    }

    /// Let go, in memory and on disk, of what is older than logs keep it; `now` is the wall clock.
    pub fn sweep(&self, now: f64) {
        self.logs.sweep(now);
        if let Some(store) = &self.store {
            store.writer.sweep(now);
        }
    }

    /// Forget a log and all cursors on it, and its files; those of a durable log only as long as the plane runs.
    pub fn close_log(&self, log: LogId) -> Result<(), PlaneError> {
        let is_durable = self.logs.find(log)?.durable.is_some();
        let store = self.store.as_ref().filter(|_| is_durable);
        let _open = store.map(|store| store.writer.enter()).transpose()?;
        // Whatever becomes of its files, it is not found any more.
        let closed = self.logs.close(log);
        for port in self.ports.get().into_iter().flatten() {
            port.push(Command::Forget(log));
        }
        closed
    }

    /// The same of a log in memory, if nothing is in it and nothing is on its way to it: whether that was so.
    pub fn close_log_if_empty(&self, log: LogId) -> Result<bool, PlaneError> {
        let is_closed = self.logs.close_if_empty(log)?;
        if is_closed {
            for port in self.ports.get().into_iter().flatten() {
                port.push(Command::Forget(log));
            }
        }
        Ok(is_closed)
    }

    /// Give entries their places. In a durable log they are visible once they are written, which is told by an event; `marks`
    /// (one for each entry, or none at all) are kept there with them.
    pub fn append(
        &self,
        log: LogId,
        entries: Vec<NewEntry>,
        ts: f64,
        marks: Vec<Option<Box<[u8]>>>,
    ) -> Result<Appended, PlaneError> {
        let channel = self.taking(log, ts)?;
        if let Some(durable) = &channel.durable {
            return self.append_durable(&channel, durable, entries, ts, marks);
        }
        let count = entries.len() as u64;
        let appended = self.logs.append(&channel, entries, ts);
        Ok(self.appended(&channel, count, appended))
    }

    /// The log that entries of the time `ts` go to.
    pub(super) fn taking(&self, log: LogId, ts: f64) -> Result<Arc<Channel>, PlaneError> {
        if !ts.is_finite() {
            return Err(PlaneError::Argument(format!(
                "ts: a finite number of seconds was expected, {ts} came"
            )));
        }
        self.logs.find(log)
    }

    /// Entries are in a log in memory: who follows it is told.
    pub(super) fn appended(
        &self,
        channel: &Arc<Channel>,
        count: u64,
        (epoch, first_offset): (String, u64),
    ) -> Appended {
        channel.figures().appended.add(count);
        self.tell_followers(channel);
        Appended {
            epoch,
            first_offset,
        }
    }

    /// Begin another history of a log, and let every cursor on it know; the name of it.
    pub fn rotate_log(&self, log: LogId) -> Result<String, PlaneError> {
        let channel = self.logs.find(log)?;
        let epoch = Epoch::random()?;
        self.rotate_store(&channel, epoch.clone(), |epoch| {
            self.logs.rotate(&channel, epoch);
        })?;
        self.tell_followers(&channel);
        Ok(epoch.as_str().to_owned())
    }

    pub(super) fn tell_followers(&self, channel: &Arc<Channel>) {
        self.shared.appending.tell_followers(channel);
    }

    /// The peer has handled what comes before these places, each a log, an epoch and an offset (M36).
    pub fn ack(&self, conn: ConnId, positions: Vec<(LogId, String, u64)>) {
        self.command(conn, Command::Ack(conn, positions));
    }

    /// Ask where the cursors of a connection stand; told at the end of a turn of its I/O thread.
    pub fn positions(&self, conn: ConnId) {
        self.command(conn, Command::Positions(conn));
    }

    /// Tell the peer where its cursors on these logs stand, though nothing may have moved (E4).
    pub fn watermark(&self, conn: ConnId, logs: Vec<LogId>) {
        self.command(conn, Command::Watermark(conn, logs));
    }

    pub(super) fn append_durable(
        &self,
        channel: &Arc<Channel>,
        durable: &Durable,
        entries: Vec<NewEntry>,
        ts: f64,
        marks: Vec<Option<Box<[u8]>>>,
    ) -> Result<Appended, PlaneError> {
        let writer = &self.store()?.writer;
        let (epoch, first_offset) = writer.append(channel, durable, entries, marks, ts)?;
        Ok(Appended {
            epoch: epoch.as_str().to_owned(),
            first_offset,
        })
    }

    /// A filter on a log, with what it has judged there: the one there is if somebody follows through an equal one. `must`:
    /// there is room for it whatever the bounds are.
    pub fn sift(&self, log: LogId, filter: Filter, must: bool) -> Result<Arc<Sieve>, PlaneError> {
        let channel = self.logs.find(log)?;
        channel.roster(&self.filters).take(filter, must)
    }

    /// What is counted of filters.
    pub fn filters(&self) -> &Totals {
        &self.filters
    }

    /// Put cursors on logs and answer, where there is an answer, in one step of the I/O thread.
    pub fn subscribe(
        &self,
        conn: ConnId,
        subscriptions: Vec<Subscription>,
        reply: Option<Vec<Box<[u8]>>>,
    ) -> Result<(), PlaneError> {
        if let Some(reply) = &reply
            && reply.len() != subscriptions.len() + 1
        {
            let (parts, specs) = (reply.len(), subscriptions.len());
            let text = format!(
                "reply: {} parts were expected for {specs} specs, {parts} came",
                specs + 1
            );
            return Err(PlaneError::Argument(text));
        }
        let specs = subscriptions
            .into_iter()
            .map(|one| self.spec(one))
            .collect::<Result<Vec<_>, _>>()?;
        self.command(
            conn,
            Command::Subscribe(Box::new(Subscribe { conn, specs, reply })),
        );
        Ok(())
    }

    fn spec(&self, subscription: Subscription) -> Result<Spec, PlaneError> {
        let Subscription {
            log,
            options,
            sieve,
            start,
            keep,
        } = subscription;
        let latest = options.delivery == Delivery::Latest;
        if start == Start::Snapshot && !latest {
            return Err(PlaneError::Argument(
                "start: \"snapshot\" was given with delivery \"all\", it needs \"latest\"".into(),
            ));
        }
        if options
            .max_rate
            .is_some_and(|rate| !latest || !rate.is_finite() || rate <= 0.0)
        {
            let text = format!(
                "max_rate: a positive number with delivery \"latest\" was expected, {:?} came",
                options.max_rate
            );
            return Err(PlaneError::Argument(text));
        }
        if options
            .ack
            .is_some_and(|ack| !(1..=MAX_WINDOW).contains(&ack))
        {
            let text = format!(
                "ack: 1 to {MAX_WINDOW} events were expected, {} came",
                options.ack.unwrap_or(0)
            );
            return Err(PlaneError::Argument(text));
        }
        let channel = self.logs.find(log)?;
        Ok(Spec::new(channel, options, sieve, start, keep))
    }

    /// Take cursors away, then answer.
    pub fn unsubscribe(&self, conn: ConnId, logs: Vec<LogId>, reply: Option<Box<[u8]>>) {
        self.command(
            conn,
            Command::Unsubscribe {
                conn,
                channels: logs,
                reply,
            },
        );
    }
}
