//! What I/O threads may do without asking Python each time: take the plain publishes of a connection to a channel.

use std::sync::Arc;

use crate::allowance::SharedBucket;
use crate::command::Command;
use crate::error::PlaneError;
use crate::inbound::Grant;
use crate::logs::LogId;
use crate::plane::{ConnId, Plane};

/// What a publish has to be like, and who pays for it.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Bytes of the largest message.
    pub largest: usize,
    /// Trace contexts are passed on.
    pub takes_traces: bool,
    /// The bucket of the connection, or of the channel for it.
    pub own: Arc<SharedBucket>,
    /// The bucket of its subject.
    pub shared: Option<Arc<SharedBucket>>,
}

impl Plane {
    /// From now on the plain publishes of `conn` to `log` are taken by its I/O thread, whenever Python has handled whatever else
    /// the connection has said: see [`Self::handled`].
    pub fn grant(&self, conn: ConnId, log: LogId, terms: Terms) -> Result<(), PlaneError> {
        let channel = self.logs.find(log)?;
        if channel.durable.is_some() {
            let text = format!(
                "grant: a log in memory was expected, {} is durable",
                channel.name
            );
            return Err(PlaneError::Argument(text));
        }
        if terms
            .shared
            .as_ref()
            .is_some_and(|shared| Arc::ptr_eq(shared, &terms.own))
        {
            let text = "grant: another bucket of the subject was expected, the same came".into();
            return Err(PlaneError::Argument(text));
        }
        let Terms {
            largest,
            takes_traces,
            own,
            shared,
        } = terms;
        let grant = Grant {
            channel,
            largest,
            takes_traces,
            own,
            shared,
        };
        self.command(conn, Command::Grant(conn, Box::new(grant)));
        Ok(())
    }

    /// Python has handled so many messages of each of these connections since they came, and waits for nothing they asked for.
    pub fn handled(&self, counts: Vec<(ConnId, u64)>) {
        self.command_all(counts, |(conn, _)| *conn, Command::Handled);
    }

    /// Take all grants of a connection back. Whatever it sends from now on goes to Python.
    pub fn withdraw(&self, conn: ConnId) {
        if let Some(port) = self.port_of(conn) {
            port.withdraw(conn);
        }
    }
}
