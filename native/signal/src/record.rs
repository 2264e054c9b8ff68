//! What waits in the queue: processed signals and changes of tokens.

use std::sync::Arc;

use crate::connections::NamedConnection;
use crate::token::Token;
use crate::vector::Vector;

/// What belongs to the event and not to the token; shared by the signals of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extra {
    /// The event's key.
    pub key: Option<Box<str>>,
    /// A JSON object of strings.
    pub tags: Option<Arc<[u8]>>,
    /// JSON text.
    pub payload: Option<Arc<[u8]>>,
    /// W3C trace context.
    pub traceparent: Option<Arc<str>>,
    /// W3C trace context.
    pub tracestate: Option<Arc<str>>,
}

impl Extra {
    /// How much of the queue's memory it counts for.
    pub fn bytes(&self) -> usize {
        let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        let json = |json: &Option<Arc<[u8]>>| json.as_ref().map_or(0, |json| json.len());
        self.key.as_ref().map_or(0, |key| key.len())
            + json(&self.tags)
            + json(&self.payload)
            + text(&self.traceparent)
            + text(&self.tracestate)
    }

    /// `None` if there is nothing in it.
    pub fn shared(self) -> Option<Arc<Self>> {
        (self != Self::default()).then(|| Arc::new(self))
    }
}

/// A processed signal; its neighbours lie in the segment that holds it.
#[derive(Debug)]
pub struct SignalRecord {
    /// The token it became.
    pub token_id: u64,
    /// As given.
    pub vector: Vector,
    /// +∞ if nothing was near.
    pub nearest_dist: f32,
    /// 0 to 1.
    pub anomaly_score: f32,
    /// Where its neighbours start.
    pub near_start: u32,
    /// How many there are.
    pub near_len: u8,
    /// 0–255.
    pub priority: u8,
    /// Nothing within the novelty radius.
    pub is_novel: bool,
    /// The interned name of the event.
    pub event_type: u16,
    /// Key, tags, payload, trace.
    pub extra: Option<Arc<Extra>>,
}

/// What happened to tokens, or to connections between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// By the API (or by an emit, if token events are on).
    Created,
    /// By the API.
    Updated,
    /// By the API, or because their slots came round.
    Deleted,
}

impl Change {
    /// The event's name.
    pub fn event(self) -> &'static str {
        match self {
            Self::Created => "token.created",
            Self::Updated => "token.updated",
            Self::Deleted => "token.deleted",
        }
    }

    /// The event's name where it is about token connections.
    pub fn connection_event(self) -> &'static str {
        match self {
            Self::Created => "connection.created",
            Self::Updated => "connection.updated",
            Self::Deleted => "connection.deleted",
        }
    }
}

/// Many tokens told at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// `batch`, `cleared` or `evicted`.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
    /// The highest id among them.
    pub up_to: u64,
}

/// A signal that is novel, told once more.
#[derive(Debug, Clone, Copy)]
pub struct Novelty {
    /// The token it became.
    pub token_id: u64,
    /// +∞ if nothing was near.
    pub nearest_dist: f32,
    /// The interned name of its event.
    pub event_type: u16,
    /// Novel signals since the last one told that were not.
    pub left_out: u64,
}

/// A question to the grid, told now and then.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// How many were asked for at most.
    pub k: usize,
    /// Within which distance; `None`: however far, or within a box.
    pub radius: Option<f64>,
    /// How many were found.
    pub hits: usize,
    /// How long it took.
    pub us: f64,
}

/// One entry of the channel to be.
#[derive(Debug)]
pub enum Record {
    /// An emit.
    Signal(SignalRecord),
    /// One token.
    Token(Change, Box<Token>),
    /// Many tokens.
    Tokens(Change, Sum),
    /// Connections, one by one.
    Connections(Change, Box<[NamedConnection]>),
    /// So many connections went with their tokens, of which this is the newest.
    Severed(u64, u64),
    /// A novel signal.
    Novelty(Novelty),
    /// A question to the grid.
    Question(Question),
}

impl Record {
    /// How much of the queue's memory it counts for beyond its own size.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Signal(signal) => signal.extra.as_ref().map_or(0, |extra| extra.bytes()),
            Self::Connections(_, list) => size_of_val::<[NamedConnection]>(list),
            _ => 0,
        }
    }

    /// The (highest) token it tells of.
    pub fn token_id(&self) -> u64 {
        match self {
            Self::Signal(signal) => signal.token_id,
            Self::Token(_, token) => token.id,
            Self::Tokens(_, sum) => sum.up_to,
            Self::Severed(_, token_id) => *token_id,
            Self::Novelty(novelty) => novelty.token_id,
            Self::Connections(_, list) => list.first().map_or(0, |one| one.connection.token_a),
            Self::Question(_) => 0,
        }
    }
}
