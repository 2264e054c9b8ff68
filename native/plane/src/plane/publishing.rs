//! Publishes that came together: their places, and their answers.

use crate::command::Command;
use crate::entry::NewEntry;
use crate::epoch::Position;
use crate::error::PlaneError;
use crate::inbound::{Answers, Parts};
use crate::logs::LogId;
use crate::plane::{Appended, ConnId, Plane};

impl Plane {
    /// As [`Plane::append`], of publishes in the order of their parts.
    pub fn append_publishes(
        &self,
        log: LogId,
        parts: &Parts,
        ts: f64,
    ) -> Result<Appended, PlaneError> {
        let channel = self.taking(log, ts)?;
        if let Some(durable) = &channel.durable {
            let entries = parts.members().map(NewEntry::from).collect();
            return self.append_durable(&channel, durable, entries, ts, Vec::new());
        }
        let appended = self.logs.append_members(&channel, parts.members(), ts);
        Ok(self.appended(&channel, parts.len() as u64, appended))
    }

    /// Queue the `ack` of each publish that has an id, where the first has its place at `first`; those of `over` are told nothing
    /// any more. How many there are.
    pub fn acknowledge(&self, parts: &Parts, first: &Position, over: &[ConnId]) -> usize {
        let answers = parts.answers(first, |conn| over.contains(&conn));
        let count = answers.iter().map(Answers::len).sum();
        self.command_all(answers, |answers| answers.conn, Command::Answers);
        count
    }
}
