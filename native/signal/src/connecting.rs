//! Connections between tokens by the API, and those that emits make.

use space::Hit;

use crate::SignalError;
use crate::connections::{NamedConnection, TokenConnection};
use crate::core::Core;
use crate::record::{Change, Record};
use crate::rules::{MAX_LISTED, check_limit};
use crate::system::SignalSystem;
use crate::vector::decimal;

/// A connection to be.
#[derive(Debug, Clone, Copy)]
pub struct NewConnection<'a> {
    /// One end.
    pub token_a: u64,
    /// The other.
    pub token_b: u64,
    /// An event name by its form.
    pub kind: &'a str,
    /// Finite.
    pub pull_strength: f32,
}

/// A strength, if it is finite.
pub fn check_pull(strength: f64) -> Result<f32, SignalError> {
    #[allow(clippy::cast_possible_truncation)] // an overflow becomes infinite and is refused
    let narrow = strength as f32;
    if narrow.is_finite() {
        return Ok(narrow);
    }
    Err(SignalError::Argument {
        name: "pull_strength",
        expected: "finite as a 32-bit float",
        came: strength.to_string(),
    })
}

impl Core {
    fn live(&self, name: &'static str, id: u64) -> Result<(), SignalError> {
        if self.slab.get(id).is_some() {
            return Ok(());
        }
        Err(SignalError::Argument {
            name,
            expected: "the id of a live token",
            came: id.to_string(),
        })
    }

    fn connect(&mut self, new: NewConnection<'_>) -> Result<u64, SignalError> {
        self.live("token_a", new.token_a)?;
        self.live("token_b", new.token_b)?;
        if new.token_a == new.token_b {
            return Err(SignalError::Argument {
                name: "token_b",
                expected: "another token than token_a",
                came: new.token_b.to_string(),
            });
        }
        self.check_room(1, size_of::<NamedConnection>())?;
        let kind = self.connections.kind(new.kind)?;
        let made = self.connections.connect(TokenConnection {
            token_a: new.token_a,
            token_b: new.token_b,
            pull_strength: new.pull_strength,
            preferred_distance: self.distance_between(new.token_a, new.token_b),
            activations: 0,
            kind,
            rigidity: 0,
            levels: 0,
            flags: 0,
        });
        self.counts.connections_refused += u64::from(made.is_err());
        let (id, is_new) = made?;
        let change = if is_new {
            Change::Created
        } else {
            Change::Updated
        };
        self.tell_connection(change, self.connections.get(id));
        Ok(id)
    }

    /// +∞ where it leaves the range of 32-bit floats.
    #[allow(clippy::cast_possible_truncation)] // the distance of 32-bit points, or infinite
    fn distance_between(&self, a: u64, b: u64) -> f32 {
        match (self.slab.get(a), self.slab.get(b)) {
            (Some(a), Some(b)) => self.distance(&a.pos, &b.pos) as f32,
            _ => f32::INFINITY,
        }
    }

    fn tell_connection(&mut self, change: Change, connection: Option<NamedConnection>) {
        if let Some(connection) = connection {
            self.tell(Record::Connections(change, Box::new([connection])));
        }
    }

    /// Connect an emit's token with the nearest that it found.
    pub fn connect_nearest(&mut self, token_id: u64, hits: &[Hit]) {
        let mut made = Vec::new();
        for hit in hits.iter().take(self.config.auto_connect) {
            let connection = self.similar(token_id, hit);
            match self.connections.connect(connection) {
                Ok((id, _)) => made.extend(self.connections.get(id)),
                Err(_) => self.counts.connections_refused += 1,
            }
        }
        if !made.is_empty() {
            self.tell(Record::Connections(Change::Created, made.into()));
        }
    }

    #[allow(clippy::cast_possible_truncation)] // from 0 to 1
    fn similar(&self, token_a: u64, hit: &Hit) -> TokenConnection {
        let distance = hit.distance();
        let resonance = 1.0 - decimal(distance) / self.config.neighbor_radius;
        TokenConnection {
            token_a,
            token_b: hit.entry.id,
            pull_strength: resonance.max(0.0) as f32,
            preferred_distance: distance,
            activations: 0,
            kind: 0,
            rigidity: 0,
            levels: 0,
            flags: 0,
        }
    }

    fn disconnect(&mut self, id: u64) -> Result<bool, SignalError> {
        self.check_room(1, size_of::<NamedConnection>())?;
        let removed = self.connections.remove(id);
        let existed = removed.is_some();
        self.tell_connection(Change::Deleted, removed);
        Ok(existed)
    }

    fn change_connection(&mut self, id: u64, pull_strength: f32) -> Result<bool, SignalError> {
        self.check_room(1, size_of::<NamedConnection>())?;
        let updated = self.connections.update(id, pull_strength);
        let exists = updated.is_some();
        self.tell_connection(Change::Updated, updated);
        Ok(exists)
    }
}

impl SignalSystem {
    /// Connect two live tokens. What is connected by this kind already is activated once more and keeps its id. -> its id
    pub fn create_connection(&self, new: NewConnection<'_>) -> Result<u64, SignalError> {
        self.with(|core| core.connect(new))
    }

    /// The connection with this id, if it exists.
    pub fn get_connection(&self, id: u64) -> Result<Option<NamedConnection>, SignalError> {
        self.with(|core| Ok(core.connections.get(id)))
    }

    /// Give a connection another strength. -> whether it exists
    pub fn update_connection(&self, id: u64, pull_strength: f32) -> Result<bool, SignalError> {
        self.with(|core| core.change_connection(id, pull_strength))
    }

    /// Remove a connection. -> whether it existed
    pub fn delete_connection(&self, id: u64) -> Result<bool, SignalError> {
        self.with(|core| core.disconnect(id))
    }

    /// At most `limit` connections with ids below `before`, newest first.
    pub fn list_connections(
        &self,
        limit: usize,
        before: Option<u64>,
    ) -> Result<Vec<NamedConnection>, SignalError> {
        check_limit(limit)?;
        self.with(|core| Ok(core.connections.list(limit, before.unwrap_or(u64::MAX))))
    }

    /// How many connections exist.
    pub fn count_connections(&self) -> Result<u64, SignalError> {
        self.with(|core| Ok(core.connections.len() as u64))
    }

    /// The newest connections of a token, at most 10,000.
    pub fn connections_of(&self, token: u64) -> Result<Vec<NamedConnection>, SignalError> {
        self.with(|core| Ok(core.connections.of_token(token, MAX_LISTED)))
    }
}
