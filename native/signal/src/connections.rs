//! Connections between tokens: a bounded table, and which of them a token has.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::SignalError;
use crate::rules::check_event_type;

/// Most different kinds in a run.
const MAX_KINDS: usize = 256;
/// What `auto_connect` makes.
pub const SIMILAR: &str = "similar";

/// Half a cache line; the layout is that of signals.md §1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct TokenConnection {
    /// One end: by `auto_connect` the newer token.
    pub token_a: u64,
    /// The other.
    pub token_b: u64,
    /// The application's; by `auto_connect` the resonance, 0 to 1.
    pub pull_strength: f32,
    /// How far apart the tokens were when it was made.
    pub preferred_distance: f32,
    /// How often it was made again.
    pub activations: u32,
    /// Number of the kind's name.
    pub kind: u8,
    /// Reserved.
    pub rigidity: u8,
    /// Reserved.
    pub levels: u8,
    /// Reserved.
    pub flags: u8,
}

const _: () = assert!(size_of::<TokenConnection>() == 32);

/// A connection with its id and the name of its kind.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedConnection {
    /// From 1, consecutive, never reused in a run.
    pub id: u64,
    /// The connection.
    pub connection: TokenConnection,
    /// Its kind.
    pub kind: Arc<str>,
}

type Ends = (u64, u64, u8);

/// All connections of a system.
pub struct Connections {
    limit: usize,
    last: u64,
    kinds: Vec<Arc<str>>,
    by_id: BTreeMap<u64, TokenConnection>,
    by_ends: HashMap<Ends, u64>,
    /// (token, connection), for either end.
    by_token: BTreeSet<(u64, u64)>,
}

impl Connections {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            last: 0,
            kinds: vec![Arc::from(SIMILAR)],
            by_id: BTreeMap::new(),
            by_ends: HashMap::new(),
            by_token: BTreeSet::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The number of a kind; a new and well-formed one gets one.
    pub fn kind(&mut self, name: &str) -> Result<u8, SignalError> {
        let known = self.kinds.iter().position(|kind| **kind == *name);
        let number = known.unwrap_or(self.kinds.len());
        let full = SignalError::NamesFull { limit: MAX_KINDS };
        let kind = u8::try_from(number).map_err(|_| full)?;
        if known.is_none() {
            check_event_type(name).map_err(|error| error.about("kind"))?;
            self.kinds.push(Arc::from(name));
        }
        Ok(kind)
    }

    /// Make one, or strengthen the one that is there: its pull is the new one, and it was activated once more.
    /// -> its id, and whether it is new
    pub fn connect(&mut self, connection: TokenConnection) -> Result<(u64, bool), SignalError> {
        let ends = ends_of(&connection);
        if let Some(id) = self.by_ends.get(&ends)
            && let Some(known) = self.by_id.get_mut(id)
        {
            known.pull_strength = connection.pull_strength;
            known.activations = known.activations.saturating_add(1);
            return Ok((*id, false));
        }
        if self.len() >= self.limit {
            return Err(SignalError::ConnectionsFull { limit: self.limit });
        }
        self.last += 1;
        self.by_id.insert(self.last, connection);
        self.by_ends.insert(ends, self.last);
        self.by_token.insert((connection.token_a, self.last));
        self.by_token.insert((connection.token_b, self.last));
        Ok((self.last, true))
    }

    pub fn get(&self, id: u64) -> Option<NamedConnection> {
        self.by_id
            .get(&id)
            .map(|connection| self.named(id, *connection))
    }

    /// Give it another pull. -> what it is now
    pub fn update(&mut self, id: u64, pull_strength: f32) -> Option<NamedConnection> {
        self.by_id.get_mut(&id)?.pull_strength = pull_strength;
        self.get(id)
    }

    pub fn remove(&mut self, id: u64) -> Option<NamedConnection> {
        let connection = self.by_id.remove(&id)?;
        self.by_ends.remove(&ends_of(&connection));
        self.by_token.remove(&(connection.token_a, id));
        self.by_token.remove(&(connection.token_b, id));
        Some(self.named(id, connection))
    }

    /// Remove what a token had. -> how many there were
    pub fn remove_of(&mut self, token: u64) -> u64 {
        if self.is_empty() {
            return 0;
        }
        let ids: Vec<u64> = self.ids_of(token).collect();
        for id in &ids {
            self.remove(*id);
        }
        ids.len() as u64
    }

    /// Remove all. -> how many there were
    pub fn clear(&mut self) -> u64 {
        self.by_ends.clear();
        self.by_token.clear();
        std::mem::take(&mut self.by_id).len() as u64
    }

    /// At most `limit` with ids below `before`, newest first.
    pub fn list(&self, limit: usize, before: u64) -> Vec<NamedConnection> {
        let newest = self.by_id.range(..before).rev().take(limit);
        newest
            .map(|(id, connection)| self.named(*id, *connection))
            .collect()
    }

    /// At most `limit` of a token's, newest first.
    pub fn of_token(&self, token: u64, limit: usize) -> Vec<NamedConnection> {
        let ids = self.ids_of(token).rev().take(limit);
        ids.filter_map(|id| self.get(id)).collect()
    }

    fn ids_of(&self, token: u64) -> impl DoubleEndedIterator<Item = u64> {
        let all = (token, 0)..=(token, u64::MAX);
        self.by_token.range(all).map(|(_, id)| *id)
    }

    fn named(&self, id: u64, connection: TokenConnection) -> NamedConnection {
        let kind = self.kinds.get(usize::from(connection.kind));
        NamedConnection {
            id,
            connection,
            kind: kind.map_or_else(|| Arc::from(""), Arc::clone),
        }
    }
}

fn ends_of(connection: &TokenConnection) -> Ends {
    (connection.token_a, connection.token_b, connection.kind)
}
